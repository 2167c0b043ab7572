import { readFileSync } from "node:fs";
import type { CapabilityArgs, NetworkList } from "@raft2kube/cni/lib/types.ts";
import { deleteLink, findLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { listQdiscs } from "@raft2kube/linux/netlink/traffic-control.ts";
import { parseInterfaceCounters } from "@raft2kube/linux/proc/interface-counters.ts";
import { describe, expect, test } from "vitest";
import { ask } from "../../../testing/network/host-network.ts";
import { type Bench, GATEWAY, type Implementation } from "./bench.ts";

const BOUNDS = {
  ingressRate: 8_000_000,
  ingressBurst: 800_000,
  egressRate: 4_000_000,
  egressBurst: 400_000,
};

function shapedList(bench: Bench, bandwidth: object = {}): NetworkList {
  const ptp = { type: "ptp", ipam: bench.hostLocal({ routes: [{ dst: "0.0.0.0/0" }] }) };
  const shaped = { type: "bandwidth", capabilities: { bandwidth: true }, ...bandwidth };
  return bench.listOf([ptp, shaped]);
}

/** Bytes per second of the token bucket of a link of the host; undefined without one. */
function rateOf(name: string | undefined): number | undefined {
  using route = openRoute();
  const index = findLink(route, name ?? "")?.index;
  return listQdiscs(route).find(({ link, kind }) => link === index && kind === "tbf")?.rate;
}

/** Token buckets on both ways of a container's traffic. */
export function bandwidthContract(bench: () => Bench): void {
  const list = (bandwidth: object = {}) => shapedList(bench(), bandwidth);

  test("shapes the host's end, and the container's traffic by a link of its own", async () => {
    const { result, netns, address } = await bench().attach(list(BOUNDS));
    const [host, inside, ifb] = result.interfaces ?? [];
    expect(inside?.sandbox).toBe(netns);
    expect(rateOf(host?.name)).toBe(1_000_000);
    expect(rateOf(ifb?.name)).toBe(500_000);
    await bench().serve(bench().net.host, 8080);
    expect(await ask(netns, GATEWAY, 8080)).toBe(address);
    const counters = parseInterfaceCounters(readFileSync("/proc/thread-self/net/dev", "utf8"));
    const passed = counters.find(({ name }) => name === ifb?.name);
    expect(passed?.tx_bytes, "what the container sent through its bound").toBeGreaterThan(0);
  });

  test("one direction alone", async () => {
    const { ingressRate, ingressBurst } = BOUNDS;
    const { result } = await bench().attach(list({ ingressRate, ingressBurst }));
    expect(result.interfaces).toHaveLength(2);
    expect(rateOf(result.interfaces?.[0]?.name)).toBe(1_000_000);
  });

  test.each([
    ["count where the configuration has none", {}, 2_000],
    ["do not replace the configuration's", BOUNDS, 1_000_000],
  ])("the capability's settings %s", async (_what, configured, rate) => {
    const capabilityArgs: CapabilityArgs = { bandwidth: { ...BOUNDS, ingressRate: 16_000 } };
    const { result } = await bench().attach(list(configured), { capabilityArgs });
    expect(rateOf(result.interfaces?.[0]?.name)).toBe(rate);
  });

  test("without settings it passes the result on", async () => {
    const { result } = await bench().attach(list());
    expect(result.interfaces).toHaveLength(2);
    expect(rateOf(result.interfaces?.[0]?.name)).toBeUndefined();
  });
}

/** CHECK, DEL and GC of token buckets, and settings that cannot be. */
export function bandwidthUpkeepContract(bench: () => Bench, implementation: Implementation): void {
  const list = (bandwidth: object = {}) => shapedList(bench(), bandwidth);

  test("CHECK passes after ADD, fails without the link; DEL does not", async () => {
    const network = list(BOUNDS);
    const { attachment, result } = await bench().attach(network);
    await bench().cni.checkNetworkList(network, attachment);
    const name = result.interfaces?.[2]?.name ?? "";
    using route = openRoute();
    expect(deleteLink(route, name)).toBe(true);
    await expect(bench().cni.checkNetworkList(network, attachment)).rejects.toThrow(/bwp|ifb/);
    await bench().cni.delNetworkList(network, attachment);
    await bench().cni.delNetworkList(network, attachment);
  });

  describe("is refused by name", () => {
    test.each([
      ["a rate without a burst", { ingressRate: 1000 }, /urst/],
      ["a burst without a rate", { egressBurst: 1000 }, /ate/],
      ["a burst that the kernel cannot hold", { egressRate: 1, egressBurst: 2 ** 40 }, /urst/],
    ])("%s", async (_what, settings, message) => {
      const netns = bench().net.container();
      const attachment = { containerId: "refused", netns, ifName: "eth0" };
      const attempt = bench().cni.addNetworkList(list(settings), attachment);
      await expect(attempt).rejects.toThrow(message);
      // The reference's DEL refuses such settings too, and leaves the plugin before it undeleted.
      if (implementation.ours) expect(bench().hostEnds()).toEqual([]);
      else await bench().cni.delNetworkList(list(), attachment);
    });
  });

  test.runIf(implementation.ours)("GC takes the links of those that are not valid", async () => {
    const network = list(BOUNDS);
    const [kept, lost] = [await bench().attach(network), await bench().attach(network)];
    const valid = [{ containerID: kept.attachment.containerId, ifname: "eth0" }];
    await bench().cni.gcNetworkList(network, valid);
    expect(rateOf(kept.result.interfaces?.[2]?.name)).toBe(500_000);
    expect(rateOf(lost.result.interfaces?.[2]?.name)).toBeUndefined();
  });
}
