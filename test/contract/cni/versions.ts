import { parseConflist } from "@raft2kube/cni/lib/conflist.ts";
import { atLeast, CNI_VERSIONS, type CniVersion } from "@raft2kube/cni/lib/version.ts";
import { expect, test } from "vitest";
import type { Bench, Implementation } from "./bench.ts";

/** Results have the shape of the version asked for. */
export function versionsContract(bench: () => Bench, implementation: Implementation): void {
  const spoken = CNI_VERSIONS.filter((version) => atLeast(implementation.newest, version));
  test.each(spoken)("the result of %s has that version's shape", async (version) => {
    const list = bench().conflist({ versions: [version] });
    const at = { containerId: `v${version}`, netns: bench().net.container(), ifName: "eth0" };
    bench().attached.push([list, at]);
    const result = (await bench().addByBridge(list, at, version)) as Record<string, unknown>;
    expect(result.cniVersion).toBe(version);
    const [ip] = result.ips as Record<string, unknown>[];
    expect(ip?.version).toBe(version < "1.0.0" ? "4" : undefined);
    const links = result.interfaces as Record<string, unknown>[];
    // 1.1.0 has a field for it, which the reference's bridge leaves out.
    expect(links.some((link) => "mtu" in link)).toBe(implementation.ours && version === "1.1.0");
  });

  test("an unknown one is error 1 (incompatible)", async () => {
    const at = { containerId: "old", netns: bench().net.container(), ifName: "eth0" };
    const attempt = bench().addByBridge(bench().conflist(), at, "9.9.9" as CniVersion);
    await expect(attempt).rejects.toMatchObject({ number: 1 });
  });
}

/** GC, STATUS and the loopback plugin. */
export function upkeepContract(bench: () => Bench): void {
  test("GC takes down what is not valid, and nothing else", async () => {
    const list = bench().conflist();
    const [kept, lost] = [await bench().attach(list), await bench().attach(list)];
    const valid = [{ containerID: kept.attachment.containerId, ifname: "eth0" }];
    await bench().cni.gcNetworkList(list, valid);
    expect(bench().givenOut()).toEqual([kept.address]);
    await bench().cni.checkNetworkList(list, kept.attachment);
    await expect(bench().cni.checkNetworkList(list, lost.attachment)).rejects.toThrow();
  });

  test("STATUS of a network that can serve is no error", async () => {
    await bench().cni.statusNetworkList(bench().conflist());
  });

  test("STATUS of a network without a free address is no error: the node is only full", async () => {
    const list = bench().conflist({
      bridge: { bridge: "cni1" },
      ipam: { ranges: [[{ subnet: "10.89.0.0/30" }]] },
    });
    await bench().attach(list);
    await expect(bench().attach(list)).rejects.toThrow(/no free address|no IP addresses/);
    await bench().cni.statusNetworkList(list);
  });

  test("loopback comes up and is checked", async () => {
    const list = parseConflist(
      JSON.stringify({ name: "lo", cniVersion: "1.0.0", plugins: [{ type: "loopback" }] }),
      "99-lo.conflist",
    );
    const netns = bench().net.container();
    const attachment = { containerId: "lo", netns, ifName: "lo" };
    const result = await bench().cni.addNetworkList(list, attachment);
    expect(result.ips?.map(({ address }) => address)).toContain("127.0.0.1/8");
    await bench().cni.checkNetworkList(list, attachment);
    await bench().cni.delNetworkList(list, attachment);
    await bench().cni.delNetworkList(list, attachment);
  });
}
