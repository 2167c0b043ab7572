import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildPlugins } from "@raft2kube/cni/build.ts";
import { openRoute } from "@raft2kube/linux/link.ts";
import { inNetns } from "@raft2kube/linux/netns.ts";
import { listRoutes } from "@raft2kube/linux/route.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { echoDatagrams, echoes, leadTo, SERVICE } from "./service.ts";
import {
  type Machine, patience, patienceWithLabs, ping, type Pod, send, serveDigests, World,
} from "./world.ts";

/** An overlay under test. */
export interface Implementation {
  /** Starts it on a machine; resolves when the machine is part of the overlay. */
  start(world: World, machine: Machine): Promise<unknown>;
}

const PORT = 7000;
const MIB = 1 << 20;

export const PLUGINS = join(tmpdir(), `r2k-overlay-bin-${process.pid}`);

/** The destinations that a machine routes by another. */
export function routesOf({ netns }: Pick<Machine, "netns">): string[] {
  return inNetns(netns, () => {
    using route = openRoute();
    return listRoutes(route).filter(({ protocol }) => protocol !== 2).map(({ to }) => to);
  });
}

/** Adds a Node that publishes what `machine` does, with an address and a link of its own. */
async function addTwin(world: World, machine: Machine): Promise<Machine> {
  const twin = { ...machine, name: "n9", podCidr: "10.244.9.0/24", address: "10.77.0.99" };
  await world.addNode(twin);
  const published = await world.nodes.get({ name: machine.name });
  const annotations = Object.fromEntries(
    Object.entries(published.metadata.annotations ?? {}).map(([key, value]) => [
      key,
      value
        .replace(/10\.77\.0\.\d+/, twin.address)
        .replace(/(([0-9a-f]{2}:){5})[0-9a-f]{2}/, "$1ee"),
    ]),
  );
  await world.nodes.patch({ name: twin.name }, "merge", { metadata: { annotations } });
  return twin;
}

/** The rules of every overlay; each machine may run another implementation. */
export function overlayContract(
  name: string,
  overhead: number,
  on: readonly [Implementation, Implementation],
  plugins: () => string = () => PLUGINS,
): void {
  describe(name, () => {
    let world: World;
    let machines: [Machine, Machine];
    let pods: [Pod, Pod];
    beforeAll(async () => {
      await buildPlugins(PLUGINS);
      world = await World.create();
      machines = [await world.machine(), await world.machine()];
      await Promise.all(machines.map((machine, index) => on[index]?.start(world, machine)));
      const [one, two] = machines;
      pods = [await world.pod(one, plugins()), await world.pod(two, plugins())];
      const [{ netns }, { address }] = pods;
      await waitFor("the first packet", () => ping(netns, address), patience);
      for (const pod of pods) {
        const server = await serveDigests(pod.netns, PORT);
        world.later(() => void server.close());
        echoDatagrams(world, pod, PORT);
      }
    });
    afterAll(async () => {
      await world.close();
      rmSync(PLUGINS, { recursive: true, force: true });
    });

    const directions = [["one way", 0, 1], ["the other", 1, 0]] as const;
    const largest = 1500 - overhead - 28;

    test.each(directions)("packets of every size pass, %s", async (_way, from, to) => {
      for (const size of [0, 56, largest - 1, largest, largest + 1, 4_000, 20_000]) {
        expect(await ping(pods[from].netns, pods[to].address, size), `${size} bytes`).toBe(true);
      }
    });

    test.each(directions)("a stream passes whole, with its source, %s", async (_way, from, to) => {
      const [pod, { address }] = [pods[from], pods[to]];
      expect(await send(pod.netns, address, PORT, 1)).toBe(pod.address);
      expect(await send(pod.netns, address, PORT, 4 * MIB)).toBe(pod.address);
    });

    test.each(directions)("a Service leads there, at every size, %s", async (_way, from, to) => {
      const [pod, { address }] = [pods[from], pods[to]];
      await leadTo(world, machines[from], pods[to], PORT);
      for (const size of [1, largest - 1, largest, largest + 1, 4_000, 20_000]) {
        expect(await echoes(pod, PORT, size), `${size} bytes to ${address}`).toBe(true);
      }
      expect(await send(pod.netns, SERVICE, PORT, 4 * MIB)).toBe(pod.address);
    });

    test.each(directions)("a node reaches the pods of the other, %s", async (_way, from, to) => {
      expect(await ping(machines[from].netns, pods[to].address, 4_000)).toBe(true);
      expect(await send(machines[from].netns, pods[to].address, PORT, MIB)).toBeDefined();
    });

    test("a Node that is deleted has no route, one that is added has", async () => {
      const other = await addTwin(world, machines[1]);
      const has = () => routesOf(machines[0]).includes(other.podCidr);
      await waitFor("the route to a new Node", has, patience);
      await world.nodes.delete({ name: other.name });
      await waitFor("the route's end", () => !has(), patienceWithLabs);
      expect(await ping(pods[0].netns, pods[1].address)).toBe(true);
    });
  });
}
