import type { Job } from "@raft2kube/api/gen/batch/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";
import { JobTrial, TIMEOUT_MS } from "./job-trial.ts";
import { startLate, startMortal } from "./mortal-controllers.ts";
import { startWorld, type World } from "./world.ts";

const HOUR_MS = 3_600_000;
/** More writes than any of these jobs takes. */
const WRITES_MAX = 40;

let world: World;
let trial: JobTrial;
let kubelet: HollowKubelet;
let pods: Informer<Pod>;
/** Uids of all pods that a job ever had, in the order of their making. */
const made = new Map<string, string[]>();

beforeAll(async () => {
  world = await startWorld({ controllers: ["*", "-job-controller"] });
  trial = new JobTrial(world);
  kubelet = await startHollowKubelet(world, "n1", { exitCode });
  pods = new Informer<Pod>({ resource: trial.podClient, clock: world.clock });
  pods.handle({
    added: ({ metadata }) => {
      const { name = "" } = controllerOf({ metadata }) ?? {};
      made.set(name, [...made.get(name) ?? [], metadata.uid ?? ""]);
    },
  });
  pods.start();
  await pods.synced;
}, TIMEOUT_MS);

afterAll(async () => {
  await pods.close();
  await kubelet.close();
  await world.close();
}, TIMEOUT_MS);

/** One pod of each job fails: of an Indexed one the first of index 1, else the first. */
function exitCode(pod: Pod): number | undefined {
  const annotations = pod.metadata.annotations ?? {};
  const index = annotations["batch.kubernetes.io/job-completion-index"];
  const job = controllerOf(pod)?.name ?? "";
  const fails = index === undefined ? made.get(job)?.[0] === pod.metadata.uid
    : index === "1" && annotations["batch.kubernetes.io/job-index-failure-count"] === "0";
  if (fails) return 1;
  return job.startsWith("stops") ? undefined : 0;
}

/** The job controller, an hour ahead, so that no pause after a failure is waited for. */
function jobOptions() {
  const { clock: real } = world;
  const clock: Clock = {
    now: () => real.now() + HOUR_MS,
    monotonic: () => real.monotonic(),
    after: (delay_ms, act) => real.after(delay_ms, act),
  };
  return { clock, controllers: ["job-controller"] };
}

const startJobController = (writes: number) => startMortal(world, writes, jobOptions());

const INDEXED = { completionMode: "Indexed", completions: 3, parallelism: 3 } as const;

const CASES: [string, Partial<Job["spec"]>, object][] = [
  ["three", { completions: 3, parallelism: 3 }, { succeeded: 3, failed: 1 }],
  ["each", { ...INDEXED, backoffLimitPerIndex: 1 },
    { succeeded: 3, failed: 1, completedIndexes: "0-2", failedIndexes: "" }],
  ["stops", { completions: 3, parallelism: 3, backoffLimit: 0 }, {}],
];

describe("a controller killed after any of its writes", { timeout: 5 * TIMEOUT_MS }, () => {
  test.each(CASES)("counts each pod once: %s", async (kind, spec, counted) => {
    let deaths = 0;
    for (let writes = 0; writes < WRITES_MAX; writes++) {
      const name = `${kind}-${writes}`;
      const first = await startJobController(writes);
      await trial.create(name, undefined, spec);
      const ended = trial.ended(name);
      const killed = await Promise.race([first.died, ended.then(() => "ended")]);
      await first.close();
      const second = await startJobController(Infinity);
      const { counts } = await ended;
      await trial.released(name);
      await second.close();
      const total = made.get(name)?.length;
      const { succeeded = 0, failed = 0 } = counts as { succeeded?: number; failed?: number };
      expect(counts, `after ${writes} writes`).toMatchObject(counted);
      expect(succeeded + failed, `after ${writes} writes, of ${total} pods`).toBe(total);
      if (killed === "ended") break;
      deaths += 1;
    }
    expect(deaths).toBeGreaterThan(8);
    expect(deaths).toBeLessThan(WRITES_MAX);
  });
});

test.each(CASES)("an apiserver that answers late counts each pod once: %s", async (
  kind, spec, counted,
) => {
  const name = `${kind}-late`;
  const controller = await startLate(world, 400, jobOptions());
  await trial.create(name, undefined, spec);
  const { counts } = await trial.ended(name);
  await trial.released(name);
  const { succeeded = 0, failed = 0 } = counts as { succeeded?: number; failed?: number };
  expect(counts).toMatchObject(counted);
  expect(succeeded + failed).toBe(made.get(name)?.length);
  expect(controller.count()).toBeGreaterThan(5);
  await controller.close();
}, TIMEOUT_MS);
