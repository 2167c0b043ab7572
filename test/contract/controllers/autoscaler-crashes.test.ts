// Takes turns, autoscalers: see autoscaling.test.ts.

import type { Deployment } from "@raft2kube/api/gen/apps/v1.ts";
import type { HorizontalPodAutoscaler } from "@raft2kube/api/gen/autoscaling/v2.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import {
  DEPLOYMENTS,
  HORIZONTAL_POD_AUTOSCALERS,
  POD_METRICS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type FakeKubelet, startFakeKubelet } from "../../../testing/apiserver/fake-kubelet.ts";
import { inTurn } from "../../../testing/drawn.ts";
import { waitFor } from "../../../testing/wait.ts";
import { PodUses } from "./autoscaler-rules.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { startDying, startLagging, startLate, startPair } from "./dying-controllers.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";

const TIMEOUT_MS = 120_000;
const ACCOUNT = "horizontal-pod-autoscaler-controller";
const HPA = { controllers: [ACCOUNT], autoscalers: { syncPeriod_ms: 200 } };
/** More writes than it takes to scale twice. */
const WRITES_MAX = 5;
/** The numbers of writes after which a run kills: two of them. */
const DEATHS = inTurn("deaths of autoscalers", [...Array(WRITES_MAX).keys()], 2);
const place = { namespace: "default", name: "crashed" };

let plane: ControlPlane;
let uses: PodUses;
let kubelet: FakeKubelet;
let node: HollowKubelet;
let watched: Informer<Deployment>;
/** The numbers of replicas that the Deployment was given, in order. */
let sizes: number[] = [];

const deployments = () => plane.admin.resource(DEPLOYMENTS);
const autoscalers = () => plane.admin.resource(HORIZONTAL_POD_AUTOSCALERS);
const until = (what: string, holds: () => Promise<boolean> | boolean) =>
  waitFor(what, async () => holds(), { timeout_ms: TIMEOUT_MS, interval_ms: 100 });

beforeAll(async () => {
  plane = await startControlPlane({ controllers: ["*", `-${ACCOUNT}`] });
  uses = new PodUses(plane);
  kubelet = await startFakeKubelet(plane.ca, () => uses.text(), plane.clock.now());
  // It renews its lease while the apiserver is away, too.
  node = await startHollowKubelet(plane, "n1", { port: kubelet.port, renew_ms: 50 });
  const labels = { app: "crashed", use: "0" };
  const resources = { requests: { cpu: "100m" } };
  await deployments().create({
    metadata: place,
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: "crashed" } },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: "web", image: "web:1", resources }] },
      },
    },
  });
  const metrics = plane.admin.resource(POD_METRICS);
  await until(
    "two pods measured",
    async () => (await metrics.list({ namespace: place.namespace })).items.length === 2,
  );
  watched = new Informer<Deployment>({ resource: deployments(), clock: plane.clock });
  const note = ({ spec }: Deployment) => {
    if (sizes.at(-1) !== spec.replicas) sizes.push(spec.replicas ?? 1);
  };
  watched.handle({ added: note, updated: note });
  watched.start();
  await watched.synced;
});

afterAll(async () => {
  await watched.close();
  await node.close();
  await kubelet.close();
  await uses.close();
  await plane.close();
});

/** Two replicas again, and an autoscaler that sets three, the least, and by metrics four. */
async function begin(): Promise<void> {
  await deployments().patch(place, "merge", { spec: { replicas: 2 } });
  await until(
    "two pods",
    async () => (await deployments().get(place)).status?.readyReplicas === 2 && sizes.at(-1) === 2,
  );
  sizes = [2];
  const scaleTargetRef = { apiVersion: "apps/v1", kind: "Deployment", name: place.name };
  const metrics: HorizontalPodAutoscaler["spec"]["metrics"] = [
    {
      type: "Resource",
      resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 50 } },
    },
  ];
  await autoscalers().create({
    metadata: place,
    spec: { scaleTargetRef, minReplicas: 3, maxReplicas: 4, metrics },
  });
}

/** Checks that both steps scaled it, each once and in their order, and that the status says so. */
async function end(): Promise<void> {
  await until("four replicas in the status", async () => {
    const { status } = await autoscalers().get(place);
    return status?.desiredReplicas === 4 && status.currentReplicas === 4;
  });
  expect(sizes).toEqual([2, 3, 4]);
  await autoscalers().delete(place);
}

test.each(DEATHS)("killed after %i writes, the next controllers go on", async (writes) => {
  await begin();
  const dying = await startDying(plane, writes, HPA);
  await dying.died;
  await dying.close();
  const next = await startDying(plane, Infinity, HPA);
  await end();
  await next.close();
});

test("informers that lag scale nothing twice", async () => {
  const lagging = await startLagging(plane, { horizontalpodautoscalers: 700, pods: 700 }, HPA);
  await begin();
  await end();
  await lagging.close();
});

test("an apiserver that answers late lets it scale nothing twice", async () => {
  await begin();
  const late = await startLate(plane, 400, HPA);
  await end();
  // Both scalings, and a status for each.
  expect(late.count()).toBeGreaterThanOrEqual(4);
  await late.close();
});

test("of two managers with one lease the second goes on when the first is killed", async () => {
  await begin();
  const pair = await startPair(plane, 1, HPA);
  await pair.died;
  expect(await pair.leader()).toBe("first");
  await end();
  expect(await pair.leader()).toBe("second");
  await pair.close();
});

test("two controllers at once do the work of one", async () => {
  await begin();
  const both = await Promise.all([1, 2].map(() => startDying(plane, Infinity, HPA)));
  await end();
  await Promise.all(both.map((each) => each.close()));
});

test("an apiserver that is away for a while delays it", async () => {
  const controllers = await startDying(plane, Infinity, HPA);
  await plane.restartApiserver();
  await begin();
  await end();
  await controllers.close();
});
