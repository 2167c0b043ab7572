import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { parseClusterName, reverseAddressOf } from "@raft2kube/dns/zone/cluster-name.ts";
import { podDns } from "@raft2kube/kubelet/sandbox/dns.ts";
import { check } from "../check.ts";
import { as, clauses, optional, text } from "../clauses.ts";
import { mustEqual } from "../must.ts";
import { LOOKUPS, lookUp, ZONE } from "./shop.ts";

const HOST = { servers: ["9.9.9.9"], searches: ["corp.example"], options: ["rotate"] };
const CLUSTER = { servers: ["10.96.0.10"], domain: ZONE.domain };
const IN_CLUSTER = {
  servers: ["10.96.0.10"],
  searches: ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example"],
  options: ["ndots:5"],
};
const NOTHING = { servers: [], searches: [], options: [] };
const CONFIGURED: Readonly<Record<string, object>> = {
  cluster: IN_CLUSTER,
  host: HOST,
  none: NOTHING,
  own: { ...NOTHING, servers: ["1.1.1.1"] },
};

const { addresses, names, configurations } = clauses(import.meta, {
  addresses: { given: text, expected: optional(text), why: text },
  names: { name: text, expected: optional(as<ReturnType<typeof parseClusterName>>()), why: text },
  configurations: {
    spec: as<Partial<Pod["spec"]>>(),
    expected: (name) => CONFIGURED[text(name)]!,
    why: text,
  },
});

check("address: four numbers, each at most 255", () => {
  for (const { given, expected, why } of addresses) {
    const name = `${given}.in-addr.arpa`;
    mustEqual(reverseAddressOf(name), expected, { when: `the address of ${name}`, why });
  }
});

check("names: what each name stands for", () => {
  for (const { name, expected, why } of names) {
    mustEqual(parseClusterName(name, ZONE.domain), expected, { when: `the name ${name}`, why });
  }
});

check("search: whom a pod asks, and by which names", () => {
  for (const { spec, expected, why } of configurations) {
    const pod: Pod = {
      metadata: { name: "shell", namespace: "shop" },
      spec: { containers: [], ...spec },
    };
    const when = `the resolv.conf of a pod in namespace shop, its spec ${JSON.stringify(spec)}`;
    mustEqual(podDns(pod, HOST, CLUSTER), expected, { when, why });
  }
  const pod: Pod = { metadata: { name: "shell", namespace: "shop" }, spec: { containers: [] } };
  mustEqual(podDns(pod, HOST, { ...CLUSTER, servers: [] }), HOST, {
    when: "a cluster without a DNS server",
    why: "a pod that asks no server resolves nothing",
  });
});

check("lookup: short names through the search path", () => {
  for (const [name, type, expected, why] of LOOKUPS) {
    const asked = [...lookUp(name, type)].map((each) => each.join(" "));
    mustEqual(asked, expected, { when: `a pod in namespace shop looks up ${name}, ${type}`, why });
  }
});
