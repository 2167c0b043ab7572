import { join } from "node:path";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { deleteLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { expect, test } from "vitest";
import type { Bench } from "./bench.ts";

/** DEL takes everything away, as often as it is called. */
export function delContract(bench: () => Bench): void {
  test("twice, or with the namespace gone, is no error and frees the address", async () => {
    const list = bench().conflist();
    const { attachment } = await bench().attach(list);
    expect(bench().givenOut()).toHaveLength(1);
    await bench().cni.delNetworkList(list, attachment);
    expect(bench().givenOut()).toEqual([]);
    await bench().cni.delNetworkList(list, attachment);
    await bench().cni.delNetworkList(list, { ...attachment, netns: "" });
    const gone = join(bench().net.root, "gone");
    await bench().cni.delNetworkList(list, { ...attachment, netns: gone });
  });

  test("of a container that never was is no error", async () => {
    const netns = join(bench().net.root, "never");
    const at = { containerId: "never", netns, ifName: "eth0" };
    await bench().cni.delNetworkList(bench().conflist(), at);
  });
}

/** CHECK reports differences from the result of ADD. */
export function checkContract(bench: () => Bench): void {
  test("passes after ADD, fails after the link is removed", async () => {
    const list = bench().conflist();
    const { netns, attachment } = await bench().attach(list);
    await bench().cni.checkNetworkList(list, attachment);
    inNetns(netns, () => {
      using route = openRoute();
      deleteLink(route, "eth0");
    });
    await expect(bench().cni.checkNetworkList(list, attachment)).rejects.toThrow(/eth0/);
  });

  test("of a container that was never added is an error", async () => {
    const at = { containerId: "never", netns: bench().net.container(), ifName: "eth0" };
    await expect(bench().cni.checkNetworkList(bench().conflist(), at)).rejects.toThrow(/never/);
  });
}
