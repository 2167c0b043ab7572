import type { DaemonSet, StatefulSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import { DAEMON_SETS, STATEFUL_SETS } from "@raft2kube/client-kube/rest/resources.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startLagging, startLate, startMortal } from "./mortal-controllers.ts";
import {
  imagesOf, templateOf, templatePatch, TIMEOUT_MS, WorkloadTrial,
} from "./workload-trial.ts";
import { startWorld, type World } from "./world.ts";

const TRIAL = "crashes";
/** More writes than any of these sets takes. */
const WRITES_MAX = 40;
const CONTROLLERS = ["daemonset-controller", "statefulset-controller"];

let world: World;
let daemons: WorkloadTrial<DaemonSet>;
let stateful: WorkloadTrial<StatefulSet>;
let pods: Informer<Pod>;
/** Identities of all pods that a set ever had, in the order of their making. */
const made = new Map<string, string[]>();
/** Pods that were made while another of their identity was there and not being deleted. */
const doubled: string[] = [];

beforeAll(async () => {
  world = await startWorld({ controllers: ["*", ...CONTROLLERS.map((name) => `-${name}`)] });
  daemons = new WorkloadTrial(world, DAEMON_SETS);
  stateful = new WorkloadTrial(world, STATEFUL_SETS);
  await daemons.start(TRIAL, ["n1", "n2"]);
  pods = new Informer<Pod>({ resource: daemons.podClient, clock: world.clock });
  pods.handle({ added: count });
  pods.start();
  await pods.synced;
}, TIMEOUT_MS);

afterAll(async () => {
  await pods.close();
  await daemons.close();
  await world.close();
}, TIMEOUT_MS);

/** A daemon's identity is its node, as its affinity has it; another pod's is its name. */
function identityOf({ metadata, spec }: Pod): string {
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const node = terms?.nodeSelectorTerms[0]?.matchFields?.[0]?.values?.[0];
  return `${controllerOf({ metadata })?.name} ${node ?? metadata.name}`;
}

function count(pod: Pod): void {
  const { name = "" } = controllerOf(pod) ?? {};
  const identity = identityOf(pod);
  made.set(name, [...made.get(name) ?? [], identity]);
  const others = pods.store.list().filter((each) => identityOf(each) === identity &&
    !each.metadata.deletionTimestamp && each.metadata.uid !== pod.metadata.uid);
  if (others.length > 0) doubled.push(identity);
}

/** A DaemonSet on two nodes, and its update. */
async function daemonCase(name: string): Promise<void> {
  await daemons.create(name, {
    selector: { matchLabels: { app: name } }, template: templateOf(TRIAL, name, "c:1"),
  });
  const counts = { numberAvailable: 2, updatedNumberScheduled: 2 } as DaemonSet["status"];
  await daemons.status(name, counts);
  await daemons.patch(name, { template: templatePatch(TRIAL, name, "c:2") });
  await daemons.status(name, counts);
  expect(imagesOf(await daemons.running(name, 2))).toEqual(["c:2", "c:2"]);
}

/** A StatefulSet of two pods, and its update. */
async function statefulCase(name: string): Promise<void> {
  await stateful.create(name, {
    replicas: 2, serviceName: name, selector: { matchLabels: { app: name } },
    template: templateOf(TRIAL, name, "c:1"),
  });
  const counts = { readyReplicas: 2, currentReplicas: 2, updatedReplicas: 2 };
  await stateful.status(name, counts as StatefulSet["status"]);
  await stateful.patch(name, { template: templatePatch(TRIAL, name, "c:2") });
  await stateful.status(name, counts as StatefulSet["status"]);
  expect(imagesOf(await stateful.running(name, 2))).toEqual(["c:2", "c:2"]);
}

/** Two pods, each made once and once more for the update. */
async function expectOnce(name: string, what: string): Promise<void> {
  const identities = [...made.get(name) ?? []].sort();
  expect(identities, what).toHaveLength(4);
  expect(new Set(identities).size, what).toBe(2);
  const revisions = [...await daemons.revisions(name), ...await stateful.revisions(name)];
  expect(revisions.map(({ revision }) => revision), what).toEqual([1, 2]);
  expect(doubled, what).toEqual([]);
}

const CASES: [string, (name: string) => Promise<void>][] = [
  ["daemon", daemonCase], ["stateful", statefulCase],
];

describe("a controller killed after any of its writes", { timeout: 5 * TIMEOUT_MS }, () => {
  test.each(CASES)("makes each pod once: %s", async (kind, play) => {
    let deaths = 0;
    for (let writes = 0; writes < WRITES_MAX; writes++) {
      const name = `${kind}-${writes}`;
      const first = await startMortal(world, writes, { controllers: CONTROLLERS });
      const ended = play(name);
      const killed = await Promise.race([first.died, ended.then(() => "ended")]);
      await first.close();
      const second = await startMortal(world, Infinity, { controllers: CONTROLLERS });
      await ended;
      await expectOnce(name, `after ${writes} writes`);
      await remove(kind, name);
      await second.close();
      if (killed === "ended") break;
      deaths += 1;
    }
    expect(deaths).toBeGreaterThan(8);
    expect(deaths).toBeLessThan(WRITES_MAX);
  });
});

/** So that the next controller has nothing to do about it. */
async function remove(kind: string, name: string): Promise<void> {
  const trial: Pick<WorkloadTrial<KubeObject & { spec: object }>, "delete"> =
    kind === "daemon" ? daemons : stateful;
  await trial.delete(name, "Background");
}

test.each(["pods", "controllerrevisions", "daemonsets", "statefulsets"])(
  "an informer of %s that lags makes no pod twice", async (resource) => {
    const lags_ms = { [resource]: 300 };
    const controllers = await startLagging(world, lags_ms, { controllers: CONTROLLERS });
    const names = CASES.map(([kind]) => `${kind}-${resource}`);
    await Promise.all(CASES.map(([, play], place) => play(names[place]!)));
    for (const name of names) await expectOnce(name, "by an informer that lags");
    await controllers.close();
  }, TIMEOUT_MS);

test("an apiserver that answers late makes no pod twice", async () => {
  const controllers = await startLate(world, 400, { controllers: CONTROLLERS });
  await Promise.all(CASES.map(([kind, play]) => play(`${kind}-late`)));
  for (const [kind] of CASES) await expectOnce(`${kind}-late`, "by late answers");
  // Each pod's creation and deletion, and the revisions of both sets.
  expect(controllers.count()).toBeGreaterThan(16);
  await controllers.close();
}, TIMEOUT_MS);

test("of two controllers with one lease the second takes over", async () => {
  const options = { controllers: CONTROLLERS, leaderElect: true };
  const first = await startMortal(world, 7, { ...options, identity: "first" });
  const ended = Promise.all(CASES.map(([kind, play]) => play(`${kind}-lease`)));
  await first.died;
  const second = await startMortal(world, Infinity, { ...options, identity: "second" });
  await ended;
  for (const [kind] of CASES) await expectOnce(`${kind}-lease`, "by two leaders");
  await second.close();
  await first.close();
}, TIMEOUT_MS);

test("two controllers at once never have two pods of an identity of a StatefulSet", async () => {
  const both = await Promise.all([1, 2].map(() =>
    startMortal(world, Infinity, { controllers: ["statefulset-controller"] })));
  await statefulCase("stateful-both");
  await expectOnce("stateful-both", "by two at once");
  await Promise.all(both.map((each) => each.close()));
}, TIMEOUT_MS);
