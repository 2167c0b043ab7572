import { execFileSync } from "node:child_process";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { getLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { listNeighbours } from "@raft2kube/linux/netlink/neighbour.ts";
import { deleteRoute } from "@raft2kube/linux/netlink/route.ts";
import { expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import type { Bench } from "./bench.ts";

const FORMER_OWNER = "02:00:00:00:00:99";

function macOf(address: string, link: string): string | undefined {
  using route = openRoute();
  const entries = listNeighbours(route, getLink(route, link).index);
  return entries.find((entry) => entry.address === address)?.mac;
}

/** Rules of our plugins alone: docs/DIVERGENCE.md, "Network". */
export function ownRulesContract(bench: () => Bench): void {
  test("ADD announces the address to neighbours that know its last owner", async () => {
    const list = bench().conflist();
    const { netns } = await bench().attach(list);
    const entry = ["10.88.0.77", "lladdr", FORMER_OWNER, "nud", "stale"];
    const remember = (link: string) => {
      execFileSync("ip", ["neighbour", "replace", ...entry, "dev", link]);
    };
    remember("cni0");
    inNetns(netns, () => remember("eth0"));

    const {
      plugins: [bridge],
    } = list;
    if (bridge) bridge.capabilities = { ips: true };
    const other = await bench().attach(list, { capabilityArgs: { ips: ["10.88.0.77"] } });
    const { mac } = other.result.interfaces?.[2] ?? {};
    const learned = () => {
      return (
        macOf("10.88.0.77", "cni0") === mac &&
        inNetns(netns, () => macOf("10.88.0.77", "eth0")) === mac
      );
    };
    await waitFor("the host and the other container to learn it", learned);
  });

  test.each([77, 1077])("CHECK looks for a route in its own table, %d", async (table) => {
    const list = bench().conflist({
      versions: ["1.1.0"],
      ipam: { routes: [{ dst: "0.0.0.0/0" }, { dst: "10.5.0.0/16", table }] },
    });
    const { netns, attachment } = await bench().attach(list);
    await bench().cni.checkNetworkList(list, attachment);
    inNetns(netns, () => {
      using route = openRoute();
      const link = getLink(route, "eth0").index;
      expect(deleteRoute(route, { to: "10.5.0.0/16", link, table })).toBe(true);
      // One in another table is another route.
      execFileSync("ip", ["route", "add", "10.5.0.0/16", "dev", "eth0"]);
    });
    await expect(bench().cni.checkNetworkList(list, attachment)).rejects.toThrow(/10\.5\.0\.0/);
  });
}
