import { exposition } from "@raft2kube/observe/exposition.ts";
import { Registry } from "@raft2kube/observe/metrics.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import packet from "dns-packet";
import { expect, test } from "vitest";
import { dnsMetrics } from "./metrics.ts";
import { type Query, RCODE, readQuery, replyOf, writeReply } from "./wire/message.ts";

const query = (name: string, type: string) =>
  readQuery(
    packet.encode({
      id: 1,
      type: "query",
      questions: [{ name, type: type as "A", class: "IN" }],
      answers: [],
      authorities: [],
      additionals: [],
      flags: 0,
    }),
  ) as Query;

test("requests and answers are counted by coredns' names and labels", async () => {
  const registry = new Registry();
  const clock = new ManualClock();
  const counted = dnsMetrics({ registry, port: 53, domain: "cluster.local", clock });
  const resolve = counted("udp", async (asked, limit) => {
    clock.advance(3);
    return writeReply(asked, replyOf(RCODE.NXDOMAIN), limit);
  });
  for (const [name, type] of [
    ["Web.default.svc.cluster.local", "A"],
    ["1.0.0.10.in-addr.arpa", "PTR"],
    ["notcluster.local", "AAAA"],
    ["example.org", "NULL"],
  ] as const)
    await resolve(query(name, type), 512, "10.0.0.1");
  const { body } = await exposition(registry);
  const requests = body.split("\n").filter((line) => /^coredns_dns_requests_total{/.test(line));
  const at = (zone: string, type: string) =>
    `coredns_dns_requests_total{server="dns://:53",zone="${zone}",view="",proto="udp",` +
    `family="1",type="${type}"} 1`;
  expect(requests).toEqual([
    at("cluster.local.", "A"),
    at("in-addr.arpa.", "PTR"),
    at(".", "AAAA"),
    at(".", "other"),
  ]);
  expect(body).toContain('zone="cluster.local.",view="",rcode="NXDOMAIN",plugin="kubernetes"} 1');
  expect(body).toContain('zone=".",view="",rcode="NXDOMAIN",plugin="forward"} 2');
  expect(body).toMatch(/request_duration_seconds_sum\{.*zone="\.".*\} 0.006\n/);
});
