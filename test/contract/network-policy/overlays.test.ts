import { randomInt } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { buildPlugins } from "@raft2kube/cni/build.ts";
import { enterNetns } from "@raft2kube/linux/namespace/netns.ts";
import { NftTable } from "@raft2kube/linux/netfilter/nft-table/nft-table.ts";
import { baseRules, TABLE } from "@raft2kube/network-policy/base.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inTurn } from "../../../testing/drawn.ts";
import { Agent } from "../../../testing/network/node-network.ts";
import { waitFor } from "../../../testing/wait.ts";
import { ours } from "../cni/overlay/ours.ts";
import { PLUGINS } from "../cni/overlay/suite.ts";
import { type Machine, patience, ping, Underlay } from "../cni/overlay/underlay.ts";
import { movedPods, type Place, PolicyNode, servePorts, wrongCells } from "./cells.ts";
import { NAMESPACES, PODS, randomPolicies } from "./random-policy.ts";

// The tables of truth-table.test.ts across two nodes. Back ends of the overlay take turns.

const TABLES = Number(process.env["R2K_POLICY_TABLES"] ?? 2);
const seed = Number(process.env["R2K_SEED"] ?? randomInt(2 ** 31));

describe.runIf(process.getuid?.() === 0)("network policies between nodes", () => {
  beforeAll(() => buildPlugins(PLUGINS));
  afterAll(() => rmSync(PLUGINS, { recursive: true, force: true }));

  it.each(inTurn("back ends", ["vxlan", "host-gw", "udp"], 1))("hold by %s", async (type) => {
    console.log(`R2K_SEED=${seed}`);
    const random = seededRandom(seed);
    const underlay = await Underlay.create();
    try {
      const machines = [await underlay.machine(), await underlay.machine()];
      await Promise.all(machines.map((machine) => ours({ Type: type }).start(underlay, machine)));
      const nodes: PolicyNode[] = [];
      /** Runs a change of a machine's rules, which are made in this process's namespace. */
      const on = async (machine: Machine, change: () => Promise<void>) => {
        enterNetns(machine.netns);
        try {
          await change();
        } finally {
          enterNetns(join(underlay.root, "ns-underlay"));
        }
      };
      for (const machine of machines) {
        await on(machine, async () => {
          const table = new NftTable(TABLE);
          underlay.later(() => table.close());
          await table.rebuild(baseRules(), []);
          nodes.push(new PolicyNode(table));
        });
      }
      const places: Place[] = [];
      for (let place = 0; place < NAMESPACES.length * PODS.length; place++) {
        const { netns, address } = await underlay.pod(machines[place % 2]!, PLUGINS);
        const agent = new Agent(netns);
        underlay.later(() => agent.close());
        places.push({ agent, address, node: nodes[place % 2]! });
        await waitFor(`${address} by the overlay`, () => ping(netns, places[0]!.address), patience);
      }
      await servePorts(places);
      const addresses = places.map(({ address }) => address);
      for (let index = 0; index < TABLES; index++) {
        const [policies, pods] = [randomPolicies(random, addresses), movedPods(random, places)];
        for (const [at, node] of nodes.entries()) {
          const own = pods.filter((_, place) => places[place]!.node === node);
          await on(machines[at]!, () => node.apply(policies, pods, own));
        }
        const wrong = await wrongCells(places, pods, policies);
        expect(wrong, JSON.stringify(policies, null, 1)).toEqual([]);
      }
    } finally {
      await underlay.close();
    }
  });
});
