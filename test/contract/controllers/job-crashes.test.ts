// Takes turns, controllers that die: the files kill them after writes, here those of Jobs, in
// workload-crashes.test.ts of what has pods, and of CronJobs, in deletion-crashes.test.ts what
// deletes, in attach-crashes.test.ts what moves volumes. Most hold the rules of fault-rules.ts.

import type { Job } from "@raft2kube/api/gen/batch/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, expect } from "vitest";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { type FaultCase, faultRules } from "./fault-rules.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";
import { JobFixture, TIMEOUT_MS } from "./job-fixture.ts";

const HOUR_MS = 3_600_000;

let plane: ControlPlane;
let fixture: JobFixture;
let kubelet: HollowKubelet;
let pods: Informer<Pod>;
/** Uids of all pods that a job ever had, in the order of their making. */
const made = new Map<string, string[]>();

beforeAll(async () => {
  plane = await startControlPlane({ controllers: ["*", "-job-controller"] });
  fixture = new JobFixture(plane);
  kubelet = await startHollowKubelet(plane, "n1", { exitCode });
  pods = new Informer<Pod>({ resource: fixture.podClient, clock: plane.clock });
  pods.handle({
    added: ({ metadata }) => {
      const { name = "" } = controllerOf({ metadata }) ?? {};
      made.set(name, [...(made.get(name) ?? []), metadata.uid ?? ""]);
    },
  });
  pods.start();
  await pods.synced;
}, TIMEOUT_MS);

afterAll(async () => {
  await pods.close();
  await kubelet.close();
  await plane.close();
}, TIMEOUT_MS);

/** One pod of each job fails: of an Indexed one the first of index 1, else the first. */
function exitCode(pod: Pod): number | undefined {
  const annotations = pod.metadata.annotations ?? {};
  const index = annotations["batch.kubernetes.io/job-completion-index"];
  const job = controllerOf(pod)?.name ?? "";
  const fails =
    index === undefined
      ? made.get(job)?.[0] === pod.metadata.uid
      : index === "1" && annotations["batch.kubernetes.io/job-index-failure-count"] === "0";
  if (fails) return 1;
  return job.startsWith("stops") ? undefined : 0;
}

/** An hour ahead, so that no pause after a failure is waited for. */
function settings() {
  const { clock: real } = plane;
  const clock: Clock = {
    now: () => real.now() + HOUR_MS,
    monotonic: () => real.monotonic(),
    after: (delay_ms, act) => real.after(delay_ms, act),
  };
  return { clock };
}

const INDEXED = { completionMode: "Indexed", completions: 3, parallelism: 3 } as const;

const JOBS: [string, Partial<Job["spec"]>, object][] = [
  ["three", { completions: 3, parallelism: 3 }, { succeeded: 3, failed: 1 }],
  [
    "each",
    { ...INDEXED, backoffLimitPerIndex: 1 },
    { succeeded: 3, failed: 1, completedIndexes: "0-2", failedIndexes: "" },
  ],
  ["stops", { completions: 3, parallelism: 3, backoffLimit: 0 }, {}],
];

/** Each pod that was ever made is counted once. */
const cases = JOBS.map(
  ([kind, spec, counted]): FaultCase => ({
    kind,
    controllers: ["job-controller"],
    reads: ["jobs", "pods"],
    writes_min: 9,
    async play(name) {
      await fixture.create(name, undefined, spec);
      await fixture.ended(name);
      await fixture.released(name);
    },
    async check(name, when) {
      const { counts } = await fixture.ended(name);
      const { succeeded = 0, failed = 0 } = counts as { succeeded?: number; failed?: number };
      const total = made.get(name)?.length;
      expect(counts, when).toMatchObject(counted);
      expect(succeeded + failed, `${when}, of ${total} pods`).toBe(total);
    },
    async remove(name) {
      await fixture.jobs.delete(
        { namespace: "default", name },
        { propagationPolicy: "Background" },
      );
      await fixture.until(
        `no pods of ${name}`,
        async () => (await fixture.pods(name)).length === 0,
      );
    },
  }),
);

faultRules(() => plane, cases, settings);
