import { isIPv6 } from "node:net";
import { CounterFamily, exponentialBounds, HistogramFamily } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Resolve } from "./resolver.ts";
import { RCODE } from "./wire/message.ts";

/** Registry and labels of the metrics that coredns' plugin prometheus has. */
interface DnsMetricsOptions {
  readonly registry: Registry;
  readonly port: number;
  readonly domain: string;
  readonly clock: Clock;
}

/** Types with samples of their own; all further ones are `other`, as a client chooses them. */
const TYPES = new Set(
  "A AAAA MX SOA CNAME PTR TXT NS SRV DS DNSKEY RRSIG NSEC NSEC3 HTTPS IXFR AXFR ANY".split(" "),
);
const RCODES = new Map<number, string>(Object.entries(RCODE).map(([name, code]) => [code, name]));
const REVERSE = ["in-addr.arpa", "ip6.arpa"];

/** Returns what counts and times a transport's answers, by coredns' names and labels. */
export function dnsMetrics({ registry, port, domain, clock }: DnsMetricsOptions) {
  const requests = new CounterFamily(registry, "coredns_dns_requests_total", "DNS requests.");
  const responses = new CounterFamily(registry, "coredns_dns_responses_total", "DNS responses.");
  const durations = new HistogramFamily(
    registry,
    "coredns_dns_request_duration_seconds",
    "Time that each request took.",
    exponentialBounds(0.000_25, 2, 16),
  );
  const zones = [domain, ...REVERSE];
  return (proto: "udp" | "tcp", resolve: Resolve): Resolve =>
    async (query, limit, client) => {
      const { name, type } = query.question;
      const started_ms = clock.monotonic();
      const within = zones.find((zone) => `.${name.toLowerCase()}`.endsWith(`.${zone}`));
      const at = { server: `dns://:${port}`, zone: `${within ?? ""}.`, view: "" };
      const family = isIPv6(client) ? "2" : "1";
      requests.of({ ...at, proto, family, type: TYPES.has(type) ? type : "other" }).add();
      const bytes = await resolve(query, limit, client);
      const rcode = RCODES.get(bytes.readUInt8(3) & 0x0f) ?? "other";
      responses.of({ ...at, rcode, plugin: within === undefined ? "forward" : "kubernetes" }).add();
      durations.of(at).observe((clock.monotonic() - started_ms) / 1000);
      return bytes;
    };
}
