import type { Job } from "@raft2kube/api/gen/batch/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { isPodReady } from "@raft2kube/client-kube/object/pod-state.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { FINALIZERS_AT_ONCE } from "../limits.ts";
import type { JobMetrics } from "../metrics/workloads.ts";
import { createPods, deletePod, type PodControl } from "../pod-control.ts";
import type { Evaluation } from "./evaluate.ts";
import { isTracked, TRACKING } from "./job-pods.ts";
import { podOf } from "./pod-of.ts";
import type { PodsPlan } from "./pods-plan.ts";
import type { Outcome } from "./settle.ts";

/** The parts that act on a job's pods. */
export interface JobControl extends PodControl {
  jobs: ResourceClient<Job>;
  metrics: JobMetrics;
}

/** Deletes what still runs of a job that has come to its end; the pods stay tracked. */
export async function clearPods(
  control: JobControl,
  job: Job,
  evaluation: Evaluation,
  trusted: boolean,
): Promise<Outcome> {
  const { active } = evaluation;
  const { removed, error } = await deletePods(control, job, active, false);
  const cleared = removed.length === active.length && trusted;
  return { ...outcomeOf(evaluation, removed, trusted), cleared, error };
}

/** Creates or deletes pods. An error is part of the outcome: the status is written all the same. */
export async function applyPodsPlan(
  control: JobControl,
  job: Job,
  evaluation: Evaluation,
  plan: PodsPlan,
): Promise<Outcome> {
  switch (plan.do) {
    case "nothing":
    case "wait":
      return outcomeOf(evaluation, [], true);
    case "delete": {
      const { removed, error } = await deletePods(control, job, plan.pods, true);
      return { ...outcomeOf(evaluation, removed, true), error };
    }
    case "create": {
      const { done, error } = await createIndexes(control, job, evaluation, plan.indexes);
      const outcome = outcomeOf(evaluation, [], true);
      return { ...outcome, active: outcome.active + done, error };
    }
    default:
      return plan satisfies never;
  }
}

/** The current state, while no action is allowed. */
export const outcomeOf = (
  { active, ready, terminating }: Evaluation,
  removed: readonly Pod[],
  trusted: boolean,
): Outcome => ({
  active: active.length - removed.length,
  ready: ready - removed.filter(isPodReady).length,
  terminating: terminating + removed.length,
  trusted,
  cleared: false,
});

async function createIndexes(
  control: JobControl,
  job: Job,
  { indexes }: Evaluation,
  wanted: (number | undefined)[],
): Promise<{ done: number; error?: unknown }> {
  control.expectations.expect(job, wanted.length, []);
  return await createPods(control, job, wanted.length, (place) => {
    const index = wanted[place];
    const last = index === undefined ? undefined : indexes?.awaited.get(index);
    return podOf(job, index, last);
  });
}

/**
 * Deletes pods; `uncounted` ones are first released from tracking, so that their end is no failure.
 * Returns those that are being deleted or gone.
 */
async function deletePods(
  control: JobControl,
  job: Job,
  pods: readonly Pod[],
  uncounted: boolean,
): Promise<{ removed: Pod[]; error?: unknown }> {
  if (pods.length === 0) return { removed: [] };
  control.expectations.expect(job, 0, pods.map(keyOf));
  const errors = await Promise.all(
    pods.map((pod) =>
      deletePod(control, job, pod, uncounted ? () => stopTracking(control, pod) : undefined),
    ),
  );
  const removed = pods.filter((_, place) => errors[place] === undefined);
  return { removed, error: errors.find((each) => each !== undefined) };
}

/** Removes the finalizer of a pod, if it has it; fails with NotFound when the pod is gone. */
export async function stopTracking({ pods }: Pick<JobControl, "pods">, pod: Pod): Promise<void> {
  if (!isTracked(pod)) return;
  const metadata = { uid: pod.metadata.uid, "$deleteFromPrimitiveList/finalizers": [TRACKING] };
  await pods.patch(nameOf(pod), "strategic", { metadata });
}

/** Removes the finalizers of pods, several at a time; returns those that have none afterwards. */
export async function releasePods(
  control: JobControl,
  pods: readonly Pod[],
): Promise<{ released: Pod[]; error?: unknown }> {
  const released: Pod[] = [];
  const errors: unknown[] = [];
  const left = [...pods];
  const work = async () => {
    for (let pod = left.shift(); pod; pod = left.shift()) {
      try {
        await stopTracking(control, pod);
        released.push(pod);
      } catch (thrown) {
        if (isNotFound(thrown)) released.push(pod);
        else errors.push(thrown);
      }
    }
  };
  await Promise.all(Array.from({ length: FINALIZERS_AT_ONCE }, work));
  return { released, ...(errors.length > 0 && { error: errors[0] }) };
}
