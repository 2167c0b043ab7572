import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { DEPLOYMENTS, EVENTS, NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { afterEach, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";

const CLUSTER = { clusterCidr: "10.244.0.0/19" };
/** More than that has ranges of /24. */
const NODES_WANTED = 40;
const RANGES = 32;

let plane: ControlPlane;
let kubelet: HollowKubelet | undefined;
afterEach(async () => {
  await kubelet?.close();
  kubelet = undefined;
  await plane.close();
});

function eventually<T>(what: string, probe: () => Promise<T>) {
  return waitFor(what, probe, { timeout_ms: 100_000, interval_ms: 200 });
}

async function create(from: number): Promise<void> {
  const nodes = plane.admin.resource(NODES);
  const names = Array.from({ length: NODES_WANTED - from }, (_, index) => `n${from + index}`);
  await Promise.all(names.map((name) => nodes.create({ metadata: { name }, spec: {} })));
}

async function listed(): Promise<Node[]> {
  return (await plane.admin.resource(NODES).listAll({})).items;
}

const ranges = (nodes: Node[]) => new Set(nodes.flatMap(({ spec }) => spec?.podCIDR ?? []));
const waits = ({ status }: Node) =>
  (status?.conditions ?? []).some(
    (each) =>
      each.type === "NetworkUnavailable" &&
      each.status === "True" &&
      each.reason === "CIDRNotAvailable",
  );

test("the 33rd node and those after it wait, and pods go on", async () => {
  plane = await startControlPlane(CLUSTER);
  kubelet = await startHollowKubelet(plane, "n0", { renew_ms: 1_000 });
  await eventually("the first range", async () => ranges(await listed()).size === 1);
  await create(1);
  const all = await eventually("all nodes to have a range or to wait", async () => {
    const nodes = await listed();
    return nodes.every((node) => node.spec?.podCIDR || waits(node)) ? nodes : undefined;
  });
  expect(ranges(all).size).toBe(RANGES);
  expect(all.filter(waits).length).toBe(NODES_WANTED - RANGES);
  const late = all
    .filter(waits)
    .map(({ metadata }) => metadata.name)
    .sort();
  const said = async () => {
    const { items } = await plane.admin.resource(EVENTS).listAll({});
    return items
      .filter(({ reason }) => reason === "CIDRNotAvailable")
      .map(({ involvedObject, count }) => `${involvedObject.name} ${count}`)
      .sort();
  };
  const once = late.map((name) => `${name} 1`);
  await eventually("an event of each", async () => (await said()).length === once.length);
  const deployments = plane.admin.resource(DEPLOYMENTS);
  const name = { namespace: "default", name: "web" };
  const labels = { app: "web" };
  const template = { metadata: { labels }, spec: { containers: [{ name: "c", image: "web:1" }] } };
  await deployments.create({
    metadata: name,
    spec: { replicas: 5, selector: { matchLabels: labels }, template },
  });
  await eventually(
    "the pods to be available",
    async () => (await deployments.get(name)).status?.availableReplicas === 5,
  );
  expect(await said()).toEqual(once);
});

test("as many nodes fit into smaller ranges", async () => {
  plane = await startControlPlane({ ...CLUSTER, nodeCidrMask: 25 });
  await create(0);
  const all = await eventually("a range for each", async () => {
    const nodes = await listed();
    return nodes.every(({ spec }) => spec?.podCIDR) ? nodes : undefined;
  });
  expect(ranges(all).size).toBe(NODES_WANTED);
  expect(all.some(waits)).toBe(false);
});
