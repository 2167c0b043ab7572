import { SPOOF_TABLE } from "@raft2kube/cni/plugins/bridge/spoof-check.ts";
import { TABLE as PORTS_TABLE } from "@raft2kube/cni/plugins/portmap/plan.ts";
import { enterNetns } from "@raft2kube/linux/namespace/netns.ts";
import { applyRuleset, nftTableComment, nftTableExists } from "@raft2kube/linux/netfilter/nft.ts";
import { createBridge, findLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { createNamespaces } from "../../testing/network/namespaces.ts";
import type { Host } from "./host.ts";
import { Networks, removeHostNetworks } from "./networks.ts";

test.runIf(process.getuid?.() === 0)(
  "the bridges and rules of one cluster go from the host, with tables that nothing uses",
  async () => {
    const namespaces = createNamespaces("r2k-networks-");
    try {
      enterNetns(namespaces.add("host"));
      using route = openRoute();
      const clusters = ["one", "two"].map(async (name) => {
        const host = { root: testFolder(`r2k-${name}-`), clock: systemClock() } as Host;
        const [networks, ofBuild] = [new Networks(host), new Networks(host)];
        for (const each of [networks, ofBuild]) await each.load();
        const wish = { isInternal: false, labels: {}, subnet: "10.9.1.0/24", gateway: undefined };
        await networks.create("n", wish);
        const larger = networks.create("m", { ...wish, subnet: "10.9.0.0/16" });
        await expect(larger).rejects.toThrow("network n has 10.9.1.0/24");
        await networks.separate();
        const bridges = networks.all().map(({ bridge }) => bridge);
        const rules = nftTableComment("inet", bridges[0]!);
        // It opened them before the network was made.
        await ofBuild.separate();
        expect(nftTableComment("inet", bridges[0]!)).toBe(rules);
        for (const bridge of bridges) createBridge(route, { name: bridge });
        const left = () => [
          nftTableExists("inet", bridges[0]!),
          ...bridges.map((bridge) => findLink(route, bridge) !== undefined),
        ];
        return { host, left };
      });
      const [one, two] = await Promise.all(clusters);
      await applyRuleset(
        `add table netdev ${SPOOF_TABLE}\nadd table inet ${PORTS_TABLE}\n` +
          `add set inet ${PORTS_TABLE} s { type inet_service; elements = { 80 }; }\n`,
      );
      const tables = () => [
        nftTableExists("netdev", SPOOF_TABLE),
        nftTableExists("inet", PORTS_TABLE),
      ];
      expect([one!.left(), tables()]).toEqual([
        [true, true, true],
        [true, true],
      ]);
      await removeHostNetworks(one!.host);
      expect(one!.left()).toEqual([false, false, false]);
      expect(two!.left()).toEqual([true, true, true]);
      expect(tables()).toEqual([false, true]);
      await applyRuleset(`flush set inet ${PORTS_TABLE} s\n`);
      await removeHostNetworks(one!.host);
      expect(tables()).toEqual([false, false]);
    } finally {
      namespaces.close();
    }
  },
);
