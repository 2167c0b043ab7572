import { join } from "node:path";
import { expect, test } from "vitest";
import type { Bench } from "./bench.ts";

/** An error for a configuration that cannot be served, naming what is wrong. */
export function badConfigContract(bench: () => Bench): void {
  test.each([
    ["subnet", { ipam: { ranges: [[{ subnet: "10.300.0.0/24" }]] } }, /10\.300|CIDR|subnet/],
    ["too small", { ipam: { ranges: [[{ subnet: "10.1.0.0/31" }]] } }, /too small/],
    ["IPAM plugin", { ipam: { type: "absent-ipam" } }, /absent-ipam/],
    ["promiscuous hairpin", { bridge: { promiscMode: true } }, /promisc/i],
  ])("%s", async (_what, changes, message) => {
    const attempt = bench().cni.addNetworkList(bench().conflist(changes), {
      containerId: "bad",
      netns: bench().net.container(),
      ifName: "eth0",
    });
    await expect(attempt).rejects.toThrow(message);
  });

  test("a namespace that is not there", async () => {
    const netns = join(bench().net.root, "absent");
    const at = { containerId: "x", netns, ifName: "eth0" };
    const attempt = bench().cni.addNetworkList(bench().conflist(), at);
    await expect(attempt).rejects.toThrow(/absent/);
  });
}
