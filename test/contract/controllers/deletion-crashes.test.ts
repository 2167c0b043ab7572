import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import {
  CONTROLLER_REVISIONS,
  CRON_JOBS,
  DAEMON_SETS,
  DEPLOYMENTS,
  JOBS,
  PODS,
  REPLICA_SETS,
  REPLICATION_CONTROLLERS,
  STATEFUL_SETS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inTurn } from "../../../testing/drawn.ts";
import { waitFor } from "../../../testing/wait.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { CronFixture } from "./cron-fixture.ts";
import { startDying } from "./dying-controllers.ts";
import { type Counted, TIMEOUT_MS, templateOf, WorkloadFixture } from "./workload-fixture.ts";

// Takes turns, controllers that die: see job-crashes.test.ts.

const FIXTURE = "deleted";
const namespace = "default";
const CONTROLLERS = [
  "deployment-controller",
  "replicaset-controller",
  "replicationcontroller-controller",
  "daemonset-controller",
  "statefulset-controller",
  "job-controller",
  "cronjob-controller",
  "garbage-collector-controller",
];
/** One write each: the next one is made by others. */
const WRITES = 1;

const forever = (name: string) => templateOf(FIXTURE, name, "c:1");
const selected = (name: string) => ({
  selector: { matchLabels: { app: name } },
  template: forever(name),
});
function jobSpec(name: string) {
  const { metadata, spec } = forever(name);
  return { template: { metadata, spec: { ...spec, restartPolicy: "Never" as const } } };
}

/** An object of each kind with one pod, on one node. */
const KINDS: Record<string, [ResourceType, (name: string) => object]> = {
  deployment: [DEPLOYMENTS, (name) => ({ replicas: 1, ...selected(name) })],
  replication: [
    REPLICATION_CONTROLLERS,
    (name) => ({ replicas: 1, selector: { app: name }, template: forever(name) }),
  ],
  daemon: [DAEMON_SETS, selected],
  stateful: [STATEFUL_SETS, (name) => ({ replicas: 1, serviceName: name, ...selected(name) })],
  job: [JOBS, jobSpec],
  cron: [
    CRON_JOBS,
    (name) => ({ jobTemplate: { metadata: { labels: { app: name } }, spec: jobSpec(name) } }),
  ],
};
/** All that there is in the namespace of these kinds, and what they own. */
const TYPES = [
  PODS,
  REPLICA_SETS,
  CONTROLLER_REVISIONS,
  ...Object.values(KINDS).map(([type]) => type),
];

let plane: ControlPlane;
let node: WorkloadFixture<Counted>;
let pods: Informer<Pod>;
/** The uids of all pods that there ever were. */
const made: string[] = [];

beforeAll(async () => {
  plane = await startControlPlane({ controllers: ["*", ...CONTROLLERS.map((name) => `-${name}`)] });
  node = new WorkloadFixture(plane, PODS);
  await node.start(FIXTURE, ["n1"]);
  pods = new Informer<Pod>({ resource: node.podClient, clock: plane.clock });
  pods.handle({ added: ({ metadata }) => made.push(metadata.uid ?? "") });
  pods.start();
  await pods.synced;
}, TIMEOUT_MS);

afterAll(async () => {
  await pods.close();
  await node.close();
  await plane.close();
}, TIMEOUT_MS);

async function create(kind: string, name: string): Promise<void> {
  const [type, specOf] = KINDS[kind]!;
  if (type === CRON_JOBS) await new CronFixture(() => plane).startOnce(name, 1, specOf(name));
  else await new WorkloadFixture(plane, type as ResourceType<Counted>).create(name, specOf(name));
}

async function leftovers(): Promise<string[]> {
  const lists = await Promise.all(
    TYPES.map(async (type) => {
      const { items } = await plane.admin.resource(type).list({ namespace });
      return items.map(({ metadata }) => `${type.kind} ${metadata.name}`);
    }),
  );
  return lists.flat();
}

test.each(inTurn("deletions", ["Background", "Foreground"] as const, 1))(
  "%s deletion, its controllers killed after each write, leaves nothing and makes nothing",
  async (propagationPolicy) => {
    const whole = await startDying(plane, Infinity, { controllers: CONTROLLERS });
    const kinds = Object.keys(KINDS);
    for (const kind of kinds) await create(kind, `${kind}-${propagationPolicy.toLowerCase()}`);
    await node.until("a running pod of each", async () => {
      const { items } = await node.podClient.list({ namespace });
      return items.filter(({ status }) => status?.phase === "Running").length === kinds.length;
    });
    await whole.close();
    const before = [...made];
    for (const kind of kinds) {
      const name = `${kind}-${propagationPolicy.toLowerCase()}`;
      const owners = plane.admin.resource(KINDS[kind]![0]);
      await owners.delete({ namespace, name }, { propagationPolicy });
    }
    let left: string[] = [];
    const gone = waitFor(
      "nothing left",
      async () => {
        left = await leftovers();
        return left.length === 0;
      },
      { timeout_ms: 2 * TIMEOUT_MS, interval_ms: 200 },
    ).then(
      () => "gone",
      () => "left",
    );
    let deaths = 0;
    for (;;) {
      const dying = await startDying(plane, WRITES, { controllers: CONTROLLERS });
      const outcome = await Promise.race([dying.died, gone]);
      await dying.close();
      if (outcome !== "died") break;
      deaths += 1;
    }
    expect(left).toEqual([]);
    // The pods, and what is between them and the six objects.
    expect(deaths).toBeGreaterThanOrEqual(2 * kinds.length - 2);
    expect(made).toEqual(before);
  },
  3 * TIMEOUT_MS,
);
