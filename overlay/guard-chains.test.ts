import { parseSubnet } from "@raft2kube/cni/lib/ip.ts";
import { expect, test } from "vitest";
import { guardChains } from "./guard-chains.ts";

test("packets come from the other nodes alone, and those of pods are not forwarded to them", () => {
  const range = parseSubnet("10.244.0.0/16", "range");
  const encapsulation = { port: 8472, nodes: ["10.200.0.3", "10.200.0.2"] };
  const { table, rules } = guardChains(encapsulation, { range, local: "10.200.0.4" });
  // Before the table filter, in which the proxy accepts.
  expect(table).toBe("mangle");
  const udp = "-p udp -m udp --dport 8472";
  const dnat = `${udp} -m conntrack --ctstate DNAT`;
  expect(rules).toEqual([
    `-A R2K-OVERLAY-INPUT -s 10.200.0.2/32 ${udp} -j RETURN`,
    `-A R2K-OVERLAY-INPUT -s 10.200.0.3/32 ${udp} -j RETURN`,
    `-A R2K-OVERLAY-INPUT ${udp} -j DROP`,
    `-A R2K-OVERLAY-FORWARD -s 10.244.0.0/16 -d 10.200.0.2/32 ${udp} -j DROP`,
    `-A R2K-OVERLAY-FORWARD -d 10.200.0.2/32 ${dnat} -j DROP`,
    `-A R2K-OVERLAY-FORWARD -s 10.244.0.0/16 -d 10.200.0.3/32 ${udp} -j DROP`,
    `-A R2K-OVERLAY-FORWARD -d 10.200.0.3/32 ${dnat} -j DROP`,
    `-A R2K-OVERLAY-OUTPUT ! -s 10.200.0.4/32 -d 10.200.0.2/32 ${udp} -j DROP`,
    `-A R2K-OVERLAY-OUTPUT ! -s 10.200.0.4/32 -d 10.200.0.3/32 ${udp} -j DROP`,
  ]);
});
