import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { viewOf } from "@raft2kube/dns/testing/view.ts";
import { RCODE } from "@raft2kube/dns/wire/message.ts";
import { answerZone } from "@raft2kube/dns/zone/answer.ts";
import { podDns } from "@raft2kube/kubelet/sandbox/dns.ts";
import type { Answer } from "dns-packet";

export const ZONE = { domain: "cluster.local", ttl_s: 5 };
export const MANY = Array.from({ length: 60 }, (_, at) => `10.244.1.${at + 1}`);

const service = (name: string, spec: Service["spec"]): Service => ({
  metadata: { name, namespace: "shop" },
  spec,
});

type Endpoint = Partial<EndpointSlice["endpoints"][number]>;

/** A slice of a Service with these endpoints, and one port. */
export function slice(
  owner: string,
  [name, port]: readonly [name: string, port: number],
  endpoints: Record<string, Endpoint>,
): EndpointSlice {
  return {
    metadata: {
      name: `${owner}-${name}`,
      namespace: "shop",
      labels: { "kubernetes.io/service-name": owner },
    },
    addressType: "IPv4",
    ports: [{ name, port, protocol: "TCP" }],
    endpoints: Object.entries(endpoints).map(([address, more]) => ({
      addresses: [address],
      ...more,
    })),
  };
}

/** The namespace `shop`: each kind of Service, and a StatefulSet's pods behind `db`. */
export const SHOP = viewOf(
  [
    service("web", {
      clusterIP: "10.96.0.7",
      clusterIPs: ["10.96.0.7", "fd00::7"],
      ports: [
        { name: "http", port: 80 },
        { name: "dns", port: 53, protocol: "UDP" },
      ],
    }),
    service("four", { clusterIP: "10.96.0.8", ports: [{ name: "http", port: 80 }] }),
    service("db", { clusterIP: "None", ports: [{ name: "sql", port: 5432 }] }),
    service("empty", { clusterIP: "None", ports: [{ name: "sql", port: 5432 }] }),
    service("big", { clusterIP: "None", ports: [] }),
    service("docs", { type: "ExternalName", externalName: "docs.example.org" }),
  ],
  [
    slice("db", ["sql", 5432], {
      "10.244.0.5": { hostname: "db-0" },
      "10.244.0.6": {},
      "10.244.0.7": { conditions: { ready: false } },
    }),
    slice("db", ["metrics", 9187], { "10.244.0.5": { hostname: "db-0" } }),
    slice("big", ["any", 1], Object.fromEntries(MANY.map((address) => [address, {}]))),
  ],
);

/** Returns a record's data: an address, a name, or the four fields of SRV. */
export function dataOf(record: Answer): string {
  if (record.type === "SRV") {
    const { priority, weight, port, target } = record.data;
    return [priority, weight, port, target].join(" ");
  }
  return "data" in record ? String(record.data) : "";
}

/** Returns the zone's answer: its records' data, `NODATA`, `NXDOMAIN`, or who is to be asked. */
export function answerOf(name: string, type: string): string {
  const found = answerZone(SHOP, ZONE, { name, type, class: "IN" });
  if (found === undefined) return "forwarded";
  if (found.kind === "cname") return `follow ${found.target}`;
  const { rcode, answers, authorities } = found.reply;
  const negative = authorities.some((record) => record.type === "SOA") ? "" : " without SOA";
  if (rcode === RCODE.NXDOMAIN) return `NXDOMAIN${negative}`;
  if (answers.length === 0) return `NODATA${negative}`;
  return answers.map(dataOf).sort().join(", ");
}

/** The configuration of a pod in `shop`, on a node whose own resolver is 9.9.9.9. */
export const POD_DNS = () =>
  podDns(
    { metadata: { name: "shell", namespace: "shop" }, spec: { containers: [] } },
    { servers: ["9.9.9.9"], searches: [], options: [] },
    { servers: ["10.96.0.10"], domain: ZONE.domain },
  );

/** One question of a resolver, and its answer. */
export type Asked = readonly [name: string, answer: string];

/**
 * Resolves a name as musl's resolver does: with fewer dots than ndots each domain of the search
 * path is tried, then the name itself; NXDOMAIN alone leads to the next. Source: resolv.conf(5).
 */
export function* lookUp(name: string, type = "A"): Generator<Asked> {
  const { searches, options } = POD_DNS();
  const ndots = Number(options.find((option) => option.startsWith("ndots:"))?.slice(6) ?? 1);
  const isWhole = name.endsWith(".") || name.split(".").length > ndots;
  const bare = name.replace(/\.$/, "");
  const names = isWhole ? [bare] : [...searches.map((domain) => `${bare}.${domain}`), bare];
  for (const asked of names) {
    const answer = answerOf(asked, type);
    yield [asked, answer];
    if (answer !== "NXDOMAIN") return;
  }
}

/** A name that a pod looks up, and each question with its answer. */
type Lookup = readonly [name: string, type: string, asked: readonly string[], why: string];

export const LOOKUPS: readonly Lookup[] = [
  ["web", "A", ["web.shop.svc.cluster.local 10.96.0.7"], "the first domain is the pod's namespace"],
  [
    "web.shop",
    "A",
    ["web.shop.shop.svc.cluster.local NXDOMAIN", "web.shop.svc.cluster.local 10.96.0.7"],
    "the second lets a pod name the Service of another namespace",
  ],
  [
    "db-0.db",
    "A",
    ["db-0.db.shop.svc.cluster.local 10.244.0.5"],
    "a StatefulSet's pods find each other by these names",
  ],
  [
    "four",
    "AAAA",
    ["four.shop.svc.cluster.local NODATA"],
    "NXDOMAIN would send the resolver on, to names that are not meant",
  ],
  [
    "example.org",
    "A",
    [
      "example.org.shop.svc.cluster.local NXDOMAIN",
      "example.org.svc.cluster.local NXDOMAIN",
      "example.org.cluster.local NXDOMAIN",
      "example.org forwarded",
    ],
    "fewer than five dots: three questions in vain, for each name of the internet",
  ],
  ["example.org.", "A", ["example.org forwarded"], "the final dot ends the search"],
];
