import type { Deployment } from "@raft2kube/api/gen/apps/v1.ts";
import type { Event, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { PodDisruptionBudget } from "@raft2kube/api/gen/policy/v1.ts";
import { KubeError } from "@raft2kube/client-kube/errors.ts";
import {
  DEPLOYMENTS,
  EVENTS,
  POD_DISRUPTION_BUDGETS,
  PODS,
} from "@raft2kube/client-kube/resources.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";
import { startWorld, type World } from "./world.ts";

const namespace = "default";

let world: World;
let kubelets: HollowKubelet[];
/** Pods that get ready only when this says so. */
const held = new Set<string>();
let holdsNew = false;

beforeAll(async () => {
  world = await startWorld();
  const known = new Set<string>();
  const getsReady = ({ metadata: { name = "" } }: Pod) => {
    if (holdsNew && !known.has(name)) held.add(name);
    known.add(name);
    return !held.has(name);
  };
  const names = ["n1", "n2"];
  const start = (name: string) => startHollowKubelet(world, name, { getsReady });
  kubelets = await Promise.all(names.map(start));
});
afterAll(async () => {
  for (const kubelet of kubelets) await kubelet.close();
  await world.close();
});

function eventually<T>(what: string, probe: () => Promise<T>) {
  return waitFor(what, probe, { clock: world.clock, timeout_ms: 60_000, interval_ms: 20 });
}

async function deploy(name: string, replicas: number): Promise<void> {
  const labels = { app: name };
  const spec = { containers: [{ name: "c", image: "i" }] };
  await world.admin.resource<Deployment>(DEPLOYMENTS).create({
    metadata: { name, namespace },
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  });
}

const budgets = () => world.admin.resource<PodDisruptionBudget>(POD_DISRUPTION_BUDGETS);

async function protect(name: string, spec: PodDisruptionBudget["spec"]): Promise<void> {
  const selector = { matchLabels: { app: name } };
  await budgets().create({ metadata: { name, namespace }, spec: { selector, ...spec } });
}

/** Waits until a budget's status has these figures. */
async function counted(name: string, figures: object): Promise<void> {
  await eventually(`the count of ${name}`, async () => {
    const { status } = await budgets().get({ namespace, name });
    expect(status).toMatchObject(figures);
    return true;
  });
}

async function podsOf(name: string): Promise<Pod[]> {
  const pods = world.admin.resource<Pod>(PODS);
  return (await pods.list({ namespace, labelSelector: `app=${name}` })).items;
}

/** The HTTP code of an eviction. */
async function evict({ metadata: { name = "" } }: Pod): Promise<number> {
  const body = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace } };
  try {
    const pods = world.admin.resource<Pod>(PODS);
    await pods.createSubresource({ namespace, name }, "eviction", body);
    return 201;
  } catch (thrown) {
    if (thrown instanceof KubeError) return thrown.http;
    throw thrown;
  }
}

async function told(about: string, reason: string): Promise<void> {
  await eventually(`the event ${reason}`, async () => {
    const { items } = await world.admin.resource<Event>(EVENTS).list({ namespace });
    return items.some(({ involvedObject, reason: told }) =>
      told === reason && involvedObject.name === about);
  });
}

test("a budget lets as many pods go as may be missing, more when others are ready", async () => {
  await deploy("web", 3);
  await protect("web", { maxUnavailable: 1 });
  const whole = { expectedPods: 3, desiredHealthy: 2, currentHealthy: 3, disruptionsAllowed: 1 };
  await counted("web", { ...whole, conditions: [{ status: "True", reason: "SufficientPods" }] });
  holdsNew = true;
  const [first, second] = await podsOf("web");
  expect(await evict(first!)).toBe(201);
  expect(await evict(second!)).toBe(429);
  await counted("web", {
    ...whole, currentHealthy: 2, disruptionsAllowed: 0,
    conditions: [{ status: "False", reason: "InsufficientPods" }],
  });
  await eventually("the pod to be gone from the budget", async () => {
    const { status } = await budgets().get({ namespace, name: "web" });
    return Object.keys(status?.disruptedPods ?? {}).length === 0;
  });
  await eventually("the pod that takes its place", async () => held.size === 1);
  expect(await evict(second!)).toBe(429);
  holdsNew = false;
  held.clear();
  await world.admin.resource<Pod>(PODS).patch(
    { namespace, name: (await podsOf("web")).find((each) => !isReady(each))!.metadata.name! },
    "merge", { metadata: { labels: { touched: "yes" } } },
  );
  await counted("web", whole);
  expect(await evict(second!)).toBe(201);
  await counted("web", whole);
});

function isReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True")
    ?? false;
}

test("a share is of what the controllers want, not of what there is", async () => {
  holdsNew = false;
  await deploy("share", 4);
  await protect("share", { minAvailable: "50%" });
  await counted("share", { expectedPods: 4, desiredHealthy: 2, disruptionsAllowed: 2 });
  const deployments = world.admin.resource<Deployment>(DEPLOYMENTS);
  const name = { namespace, name: "share" };
  await deployments.patch(name, "merge", { spec: { replicas: 2 } });
  await counted("share", { expectedPods: 2, desiredHealthy: 1, disruptionsAllowed: 1 });
});

test("who has no controller, or one without a scale, is told of", async () => {
  const pods = world.admin.resource<Pod>(PODS);
  const spec = { containers: [{ name: "c", image: "i" }] };
  const metadata = (name: string) => ({ name, namespace, labels: { app: name } });
  await pods.create({ metadata: metadata("alone"), spec });
  await protect("alone", { maxUnavailable: 1 });
  await told("alone", "UnmanagedPods");
  await counted("alone", { expectedPods: 0, disruptionsAllowed: 0 });
  const owner = {
    apiVersion: "v1", kind: "Node", name: "n1", uid: "11111111-1111-1111-1111-111111111111",
    controller: true,
  };
  const owned = { ...metadata("odd"), ownerReferences: [owner] };
  await protect("odd", { minAvailable: "100%" });
  await told("odd", "NoPods");
  // Its owner is not there: the garbage collector must not be faster than the count.
  const finalizers = ["r2k.test/hold"];
  await pods.create({ metadata: { ...owned, finalizers }, spec });
  await told("odd", "CalculateExpectedPodCountFailed");
  await counted("odd", { disruptionsAllowed: 0, conditions: [{
    status: "False", reason: "SyncFailed",
    message: "nodes does not implement the scale subresource",
  }] });
  await pods.patch({ namespace, name: "odd" }, "merge", { metadata: { finalizers: null } });
});
