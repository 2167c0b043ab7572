import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import {
  CONTROLLER_REVISIONS, CRON_JOBS, DAEMON_SETS, DEPLOYMENTS, JOBS, PODS, REPLICA_SETS,
  REPLICATION_CONTROLLERS, STATEFUL_SETS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CronTrial } from "./cron-trial.ts";
import { startMortal } from "./mortal-controllers.ts";
import { type Counted, templateOf, TIMEOUT_MS, WorkloadTrial } from "./workload-trial.ts";
import { startWorld, type World } from "./world.ts";

const TRIAL = "deleted";
const namespace = "default";
const CONTROLLERS = [
  "deployment-controller", "replicaset-controller", "replicationcontroller-controller",
  "daemonset-controller", "statefulset-controller", "job-controller", "cronjob-controller",
  "garbage-collector-controller",
];
/** One write each: the next one is made by others. */
const WRITES = 1;

const forever = (name: string) => templateOf(TRIAL, name, "c:1");
const selected = (name: string) =>
  ({ selector: { matchLabels: { app: name } }, template: forever(name) });
function jobSpec(name: string) {
  const { metadata, spec } = forever(name);
  return { template: { metadata, spec: { ...spec, restartPolicy: "Never" as const } } };
}

/** An object of each kind with one pod, on one node. */
const KINDS: Record<string, [ResourceType, (name: string) => object]> = {
  deployment: [DEPLOYMENTS, (name) => ({ replicas: 1, ...selected(name) })],
  replication: [REPLICATION_CONTROLLERS, (name) =>
    ({ replicas: 1, selector: { app: name }, template: forever(name) })],
  daemon: [DAEMON_SETS, selected],
  stateful: [STATEFUL_SETS, (name) => ({ replicas: 1, serviceName: name, ...selected(name) })],
  job: [JOBS, jobSpec],
  cron: [CRON_JOBS, (name) =>
    ({ jobTemplate: { metadata: { labels: { app: name } }, spec: jobSpec(name) } })],
};
/** All that there is in the namespace of these kinds, and what they own. */
const TYPES = [
  PODS, REPLICA_SETS, CONTROLLER_REVISIONS, ...Object.values(KINDS).map(([type]) => type),
];

let world: World;
let node: WorkloadTrial<Counted>;
let pods: Informer<Pod>;
/** The uids of all pods that there ever were. */
const made: string[] = [];

beforeAll(async () => {
  world = await startWorld({ controllers: ["*", ...CONTROLLERS.map((name) => `-${name}`)] });
  node = new WorkloadTrial(world, PODS);
  await node.start(TRIAL, ["n1"]);
  pods = new Informer<Pod>({ resource: node.podClient, clock: world.clock });
  pods.handle({ added: ({ metadata }) => made.push(metadata.uid ?? "") });
  pods.start();
  await pods.synced;
}, TIMEOUT_MS);

afterAll(async () => {
  await pods.close();
  await node.close();
  await world.close();
}, TIMEOUT_MS);

async function create(kind: string, name: string): Promise<void> {
  const [type, specOf] = KINDS[kind]!;
  if (type === CRON_JOBS) await new CronTrial(() => world).startOnce(name, 1, specOf(name));
  else await new WorkloadTrial<Counted>(world, type).create(name, specOf(name));
}

async function leftovers(): Promise<string[]> {
  const lists = await Promise.all(TYPES.map(async (type) => {
    const { items } = await world.admin.resource(type).list({ namespace });
    return items.map(({ metadata }) => `${type.kind} ${metadata.name}`);
  }));
  return lists.flat();
}

test.each(["Background", "Foreground"] as const)(
  "%s deletion, its controllers killed after each write, leaves nothing and makes nothing",
  async (propagationPolicy) => {
    const whole = await startMortal(world, Infinity, { controllers: CONTROLLERS });
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
      const owners = world.admin.resource(KINDS[kind]![0]);
      await owners.delete({ namespace, name }, { propagationPolicy });
    }
    let left: string[] = [];
    const gone = waitFor("nothing left", async () => {
      left = await leftovers();
      return left.length === 0;
    }, { clock: world.clock, timeout_ms: 2 * TIMEOUT_MS, interval_ms: 200 })
      .then(() => "gone", () => "left");
    let deaths = 0;
    for (;;) {
      const mortal = await startMortal(world, WRITES, { controllers: CONTROLLERS });
      const outcome = await Promise.race([mortal.died, gone]);
      await mortal.close();
      if (outcome !== "died") break;
      deaths += 1;
    }
    expect(left).toEqual([]);
    // The pods, and what is between them and the six objects.
    expect(deaths).toBeGreaterThanOrEqual(2 * kinds.length - 2);
    expect(made).toEqual(before);
  }, 3 * TIMEOUT_MS);
