import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { parseClusterName, reverseAddressOf } from "@raft2kube/dns/zone/cluster-name.ts";
import { podDns } from "@raft2kube/kubelet/sandbox/dns.ts";
import { check } from "../check.ts";
import { mustEqual } from "../must.ts";
import { LOOKUPS, lookUp, ZONE } from "./shop.ts";

type Address = readonly [given: string, expected: string | undefined, why: string];

const ADDRESSES: readonly Address[] = [
  ["5.0.244.10", "10.244.0.5", "the zone in-addr.arpa has the octets in reverse order"],
  ["0.0.0.0", "0.0.0.0", "0 is an octet"],
  ["5.0.244.256", undefined, "an octet is at most 255: this is a name, and no address"],
  ["5.0.244.010", undefined, "an address has one text: with a leading zero some read it as octal"],
  ["0.244.10", undefined, "the zone of a subnet has records of its own: it is no host"],
  ["5.0.244.ten", undefined, "other labels are names"],
];

check("address: four numbers, each at most 255", () => {
  for (const [given, expected, why] of ADDRESSES) {
    const name = `${given}.in-addr.arpa`;
    mustEqual(reverseAddressOf(name), expected, { when: `the address of ${name}`, why });
  }
});

type Parsed = ReturnType<typeof parseClusterName>;
const DB = { namespace: "shop", service: "db" };

const NAMES: readonly (readonly [name: string, expected: Parsed, why: string])[] = [
  ["cluster.local", { kind: "domain" }, "the zone's own name has its SOA and NS records"],
  ["dns-version.cluster.local", { kind: "version" }, "clients may ask which schema they see"],
  ["svc.cluster.local", { kind: "subdomain" }, "it has names below it, so it exists"],
  ["shop.svc.cluster.local", { kind: "namespace", namespace: "shop" }, "so does a namespace"],
  ["db.shop.svc.cluster.local", { kind: "service", ...DB }, "labels are read from the right"],
  [
    "db-0.db.shop.svc.cluster.local",
    { kind: "endpoint", ...DB, host: "db-0" },
    "one pod of a headless Service",
  ],
  [
    "_tcp.db.shop.svc.cluster.local",
    { kind: "transport", ...DB, transport: "tcp" },
    "an underscore marks what is no host name (RFC 8552)",
  ],
  [
    "_sql._tcp.db.shop.svc.cluster.local",
    { kind: "port", ...DB, transport: "tcp", port: "sql" },
    "SRV: port, transport, Service",
  ],
  ["sql._tcp.db.shop.svc.cluster.local", { kind: "invalid" }, "a port's label has an underscore"],
  ["a.db-0.db.shop.svc.cluster.local", { kind: "invalid" }, "nothing is below an endpoint"],
  ["x._sql._tcp.db.shop.svc.cluster.local", { kind: "invalid" }, "nothing is below a port"],
  [
    "10-244-0-5.shop.pod.cluster.local",
    { kind: "pod", namespace: "shop", address: "10.244.0.5" },
    "the address is in the name",
  ],
  ["web-0.shop.pod.cluster.local", { kind: "invalid" }, "pods have no other names here"],
  ["web.shop.cluster.local", { kind: "invalid" }, "a name of the zone, which nothing has"],
  ["example.org", undefined, "another zone's: the question is forwarded"],
  ["mycluster.local", undefined, "a domain ends at a dot: this is another zone's name"],
];

check("names: what each name stands for", () => {
  for (const [name, expected, why] of NAMES) {
    mustEqual(parseClusterName(name, ZONE.domain), expected, { when: `the name ${name}`, why });
  }
});

const HOST = { servers: ["9.9.9.9"], searches: ["corp.example"], options: ["rotate"] };
const CLUSTER = { servers: ["10.96.0.10"], domain: ZONE.domain };
const IN_CLUSTER = {
  servers: ["10.96.0.10"],
  searches: ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example"],
  options: ["ndots:5"],
};
const NOTHING = { servers: [], searches: [], options: [] };
type Spec = Partial<Pod["spec"]>;

const CONFIGURATIONS: readonly (readonly [spec: Spec, expected: object, why: string])[] = [
  [{}, IN_CLUSTER, "its own namespace first: `web` means another Service in each namespace"],
  [{ hostNetwork: true }, HOST, "a pod on the node's network may be what the DNS depends on"],
  [
    { hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" },
    IN_CLUSTER,
    "unless it asks for the cluster's",
  ],
  [{ dnsPolicy: "Default" }, HOST, "Default is the node's, and not the default"],
  [{ dnsPolicy: "None" }, NOTHING, "everything is to come from its dnsConfig"],
  [
    { dnsPolicy: "None", dnsConfig: { nameservers: ["1.1.1.1"] } },
    { ...NOTHING, servers: ["1.1.1.1"] },
    "as here",
  ],
];

check("search: whom a pod asks, and by which names", () => {
  for (const [spec, expected, why] of CONFIGURATIONS) {
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
