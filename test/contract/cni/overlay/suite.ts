import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildPlugins } from "@raft2kube/cni/build.ts";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { getLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { listRoutes, replaceRoute } from "@raft2kube/linux/netlink/route.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../../../testing/wait.ts";
import { type Segments, segmentsOf } from "./segments.ts";
import { echoDatagrams, leadTo, missingEchoes, SERVICE } from "./service.ts";
import {
  HOST,
  type Machine,
  type Pod,
  patience,
  patienceWithLabs,
  ping,
  send,
  serveEchoes,
  Underlay,
} from "./underlay.ts";

/** An overlay under test. */
export interface Implementation {
  /** Starts it on a machine; resolves when the machine is part of the overlay. */
  start(underlay: Underlay, machine: Machine): Promise<unknown>;
}

const PORT = 7000;
const MIB = 1 << 20;
/** MTU of the machines and the host between them. */
const MTU = 1500;
/** Headers of a datagram, and of a segment with a timestamp. */
const UDP_HEADERS_BYTES = 28;
const TCP_HEADERS_BYTES = 52;
/** A datagram that is the host's MTU, and lost once until the host knows the way's. */
const PATH_MTU_WAIT_MS = 300;

export const PLUGINS = join(tmpdir(), `r2k-overlay-bin-${process.pid}`);

/** The destinations that a machine routes by another. */
export function routesOf({ netns }: Pick<Machine, "netns">): string[] {
  return inNetns(netns, () => {
    using route = openRoute();
    return listRoutes(route)
      .filter(({ protocol }) => protocol !== 2)
      .map(({ to }) => to);
  });
}

/** Adds a Node that publishes what `machine` does, with an address and a link of its own. */
export async function addTwin(underlay: Underlay, machine: Machine): Promise<Machine> {
  const twin = { ...machine, name: "n9", podCidr: "10.244.9.0/24", address: "10.77.0.99" };
  await underlay.addNode(twin);
  const published = await underlay.nodes.get({ name: machine.name });
  const annotations = Object.fromEntries(
    Object.entries(published.metadata.annotations ?? {}).map(([key, value]) => [
      key,
      value
        .replace(/10\.77\.0\.\d+/, twin.address)
        .replace(/(([0-9a-f]{2}:){5})[0-9a-f]{2}/, "$1ee"),
    ]),
  );
  await underlay.nodes.patch({ name: twin.name }, "merge", { metadata: { annotations } });
  return twin;
}

/** Routes the Service from the host by a machine. */
function leadHostTo({ address }: Machine): void {
  using route = openRoute();
  const link = getLink(route, "br0").index;
  replaceRoute(route, { to: `${SERVICE}/32`, via: address, link });
}

/** Two machines with an overlay, and a pod on each. */
interface Started {
  underlay: Underlay;
  machines: readonly [Machine, Machine];
  pods: readonly [Pod, Pod];
}

/** The rules of every overlay; each machine may run another implementation. */
export function overlayContract(
  name: string,
  overhead: number,
  on: readonly [Implementation, Implementation],
  pluginsOf: (underlay: Underlay) => string = () => PLUGINS,
): void {
  describe(name, () => {
    let started: Started;
    let underlay: Underlay;
    beforeAll(async () => {
      await buildPlugins(PLUGINS);
      underlay = await Underlay.create();
      const [one, two] = [await underlay.machine(), await underlay.machine()];
      const machines = [one, two] as const;
      await Promise.all(machines.map((machine, index) => on[index]?.start(underlay, machine)));
      const plugins = pluginsOf(underlay);
      const pods = [await underlay.pod(one, plugins), await underlay.pod(two, plugins)] as const;
      started = { underlay, machines, pods };
      const [{ netns }, { address }] = pods;
      await waitFor("the first packet", () => ping(netns, address), patience);
      for (const pod of pods) {
        const server = await serveEchoes(pod.netns, PORT);
        underlay.later(() => void server.close());
        echoDatagrams(underlay, pod, PORT);
      }
    });
    afterAll(async () => {
      await underlay.close();
      rmSync(PLUGINS, { recursive: true, force: true });
    });

    podRules(() => started, MTU - overhead);
    hostRules(() => started, MTU - overhead);
    nodeRules(() => started);
  });
}

const directions = [
  ["one way", 0, 1],
  ["the other", 1, 0],
] as const;

/** Sizes of datagrams: all up to the MTU, those above it in two fragments, and two in several. */
const sizesFor = (mtu: number) => [...Array(mtu - UDP_HEADERS_BYTES + 51).keys(), 4_000, 20_000];

/** The segments that both ends settle on by a link of this MTU. */
function segmentsFor(mtu: number): Segments {
  return { mss: mtu - TCP_HEADERS_BYTES, pmtu: mtu, advmss: mtu - TCP_HEADERS_BYTES };
}

/** A pod reaches the other machine's, by its address and by a Service. */
function podRules(the: () => Started, mtu: number): void {
  const sizes = sizesFor(mtu);

  test.each(directions)("packets of every size pass, %s", async (_way, from, to) => {
    const { pods } = the();
    expect(await ping(pods[from].netns, pods[to].address, 20_000)).toBe(true);
    expect(await missingEchoes(pods[from], pods[to].address, PORT, sizes)).toEqual([]);
  });

  test.each(directions)("a stream passes whole, with its source, %s", async (_way, from, to) => {
    const { pods } = the();
    const [pod, { address }] = [pods[from], pods[to]];
    expect(await send(pod.netns, address, PORT, 1)).toBe(pod.address);
    expect(await send(pod.netns, address, PORT, 4 * MIB)).toBe(pod.address);
  });

  test.each(directions)("segments are as large as the MTU, %s", async (_way, from, to) => {
    const { pods } = the();
    const ends = await segmentsOf(pods[from], pods[to], pods[to].address, PORT);
    expect(ends).toEqual({ client: segmentsFor(mtu), server: segmentsFor(mtu) });
  });

  test.each(directions)("a Service leads there, at every size, %s", async (_way, from, to) => {
    const { underlay, machines, pods } = the();
    const pod = pods[from];
    await leadTo(underlay, machines[from], pods[to], PORT);
    expect(await missingEchoes(pod, SERVICE, PORT, sizes)).toEqual([]);
    expect(await send(pod.netns, SERVICE, PORT, 4 * MIB)).toBe(pod.address);
  });
}

/** A host without the overlay, whose MTU is larger, reaches a Service by a machine. */
function hostRules(the: () => Started, mtu: number): void {
  test.each(directions)("a host of a larger MTU reaches it too, %s", async (_way, from, to) => {
    const { underlay, machines, pods } = the();
    await leadTo(underlay, machines[from], pods[to], PORT);
    leadHostTo(machines[from]);
    const client = { ...segmentsFor(MTU), mss: segmentsFor(mtu).mss };
    const ends = await segmentsOf(HOST, pods[to], SERVICE, PORT);
    expect(ends).toEqual({ client, server: segmentsFor(mtu) });
    expect(await send(HOST.netns, SERVICE, PORT, 4 * MIB)).toBeDefined();
    const [largest, full] = [mtu - UDP_HEADERS_BYTES, MTU - UDP_HEADERS_BYTES];
    await waitFor(
      "the path's MTU",
      async () => {
        const lost = await missingEchoes(HOST, SERVICE, PORT, [full], PATH_MTU_WAIT_MS);
        return lost.length === 0;
      },
      patience,
    );
    const around = [0, largest, largest + 1, full, full + 1, 4_000, 20_000];
    expect(await missingEchoes(HOST, SERVICE, PORT, around)).toEqual([]);
  });
}

/** A node reaches the other's pods, and follows Nodes that come and go. */
function nodeRules(the: () => Started): void {
  test.each(directions)("a node reaches the pods of the other, %s", async (_way, from, to) => {
    const { machines, pods } = the();
    expect(await ping(machines[from].netns, pods[to].address, 4_000)).toBe(true);
    expect(await send(machines[from].netns, pods[to].address, PORT, MIB)).toBeDefined();
  });

  test("a Node that is deleted has no route, one that is added has", async () => {
    const { underlay, machines, pods } = the();
    const other = await addTwin(underlay, machines[1]);
    const has = () => routesOf(machines[0]).includes(other.podCidr);
    await waitFor("the route to a new Node", has, patience);
    await underlay.nodes.delete({ name: other.name });
    await waitFor("the route's end", () => !has(), patienceWithLabs);
    expect(await ping(pods[0].netns, pods[1].address)).toBe(true);
  });
}
