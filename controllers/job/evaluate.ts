import type { Job, JobCondition } from "@raft2kube/api/gen/batch/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import {
  isPodActive,
  isPodReady,
  isPodTerminating,
} from "@raft2kube/client-kube/object/pod-state.ts";
import { timeOf, timeText } from "@raft2kube/client-kube/object/time.ts";
import { exceedsBackoffLimit } from "./backoff-limit.ts";
import {
  contains,
  type Intervals,
  intervalsOf,
  parseIntervals,
  total,
  union,
} from "./intervals.ts";
import {
  allFailuresOf,
  failuresOf,
  finishedAt_ms,
  indexOf,
  isIndexed,
  isPodFailed,
  isTracked,
} from "./job-pods.ts";
import { failureMessage, judgeFailure, successMessage } from "./policies.ts";
import { type Backoff, nextBackoff } from "./retry-delay.ts";

/** The evaluation of a job's pods. */
export interface Evaluation {
  pods: readonly Pod[];
  active: readonly Pod[];
  ready: number;
  terminating: number;
  succeeded: number;
  backoff: Backoff;
  indexes?: IndexedEvaluation;
  /** The condition that ends the job, if any; written before the pods' finalizers are removed. */
  ending?: JobCondition;
  /** When the deadline is, if that is to come. */
  deadline_ms?: number;
}

export interface IndexedEvaluation {
  /** Indexes in the status; the others have succeeded since. */
  counted: Intervals;
  succeeded: Intervals;
  /** Only with a limit per index. */
  failed?: Intervals;
  /** The last failed pod of each index that is to be made again: its count goes to the next. */
  awaited: ReadonlyMap<number, Pod>;
}

/** The condition with the time of now. */
export function conditionOf(
  type: string,
  reason: string,
  message: string,
  now_ms: number,
  status = "True",
): JobCondition {
  const now = timeText(now_ms);
  const value = status as JobCondition["status"];
  return { type, status: value, lastProbeTime: now, lastTransitionTime: now, reason, message };
}

/** The condition of a type when it holds. */
export function holding({ status }: Job, type: string): JobCondition | undefined {
  return status?.conditions?.find((each) => each.type === type && each.status === "True");
}

/** Decides what the pods amount to, in upstream's order: old findings, failures, successes. */
export function evaluate(
  job: Job,
  pods: readonly Pod[],
  backoff: Backoff,
  now_ms: number,
): Evaluation {
  const active = pods.filter(isPodActive);
  const { spec, status = {} } = job;
  const [succeededNow, failedNow] = endedNow(job, pods);
  const uncounted = status.uncountedTerminatedPods ?? {};
  const counting = failedNow.filter((pod) => judgeFailure(spec.podFailurePolicy, pod).counts);
  const failed = (status.failed ?? 0) + counting.length + (uncounted.failed?.length ?? 0);
  const indexes = isIndexed(job) ? evaluateIndexes(job, pods, active) : undefined;
  const deadline_ms = deadlineOf(job);
  const ending =
    foundBefore(job, now_ms) ??
    failedByPods(job, pods, failed, now_ms) ??
    failedByDeadline(deadline_ms, now_ms) ??
    (indexes && endedByIndexes(job, indexes, now_ms));
  return {
    pods,
    active,
    ready: active.filter(isPodReady).length,
    terminating: pods.filter(isPodTerminating).length,
    succeeded: indexes
      ? total(indexes.succeeded)
      : (status.succeeded ?? 0) + succeededNow.length + (uncounted.succeeded?.length ?? 0),
    backoff: nextBackoff(backoff, succeededNow, failedNow),
    ...(indexes && { indexes }),
    ...(ending && { ending }),
    ...(deadline_ms !== undefined && { deadline_ms }),
  };
}

/** Tracked pods that have ended and are not in the status yet. */
function endedNow(job: Job, pods: readonly Pod[]): [succeeded: Pod[], failed: Pod[]] {
  const { succeeded = [], failed = [] } = job.status?.uncountedTerminatedPods ?? {};
  const counts = (pod: Pod, known: readonly string[]) =>
    isTracked(pod) &&
    !known.includes(pod.metadata.uid ?? "") &&
    (!isIndexed(job) || indexOf(pod, job) !== undefined);
  return [
    pods.filter((pod) => pod.status?.phase === "Succeeded" && counts(pod, succeeded)),
    pods.filter((pod) => isPodFailed(pod, job) && counts(pod, failed)),
  ];
}

function foundBefore(job: Job, now_ms: number): JobCondition | undefined {
  const target = holding(job, "FailureTarget");
  return (
    holding(job, "SuccessCriteriaMet") ??
    (target && conditionOf("Failed", target.reason ?? "", target.message ?? "", now_ms))
  );
}

function failedByPods(
  job: Job,
  pods: readonly Pod[],
  failed: number,
  now_ms: number,
): JobCondition | undefined {
  const failure = (reason: string, message: string) =>
    conditionOf("FailureTarget", reason, message, now_ms);
  const message = failureMessage(
    job,
    pods.filter((pod) => isPodFailed(pod, job)),
  );
  if (message !== undefined) return failure("PodFailurePolicy", message);
  if (!exceedsBackoffLimit(job, pods, failed)) return undefined;
  return failure("BackoffLimitExceeded", "Job has reached the specified backoff limit");
}

function deadlineOf({ spec, status }: Job): number | undefined {
  const start_ms = timeOf(status?.startTime);
  if (spec.activeDeadlineSeconds === undefined || spec.suspend || start_ms === undefined) {
    return undefined;
  }
  return start_ms + spec.activeDeadlineSeconds * 1000;
}

function failedByDeadline(
  deadline_ms: number | undefined,
  now_ms: number,
): JobCondition | undefined {
  if (deadline_ms === undefined || now_ms < deadline_ms) return undefined;
  const message = "Job was active longer than specified deadline";
  return conditionOf("FailureTarget", "DeadlineExceeded", message, now_ms);
}

function evaluateIndexes(
  job: Job,
  pods: readonly Pod[],
  active: readonly Pod[],
): IndexedEvaluation {
  const { completions = 0, backoffLimitPerIndex } = job.spec;
  const tracked = pods.filter((pod) => isTracked(pod) && indexOf(pod, job) !== undefined);
  const indexesOf = (some: readonly Pod[]) =>
    intervalsOf(some.map((pod) => indexOf(pod, job) ?? 0));
  const counted = parseIntervals(job.status?.completedIndexes, completions);
  const succeeded = union(
    counted,
    indexesOf(tracked.filter(({ status }) => status?.phase === "Succeeded")),
  );
  if (backoffLimitPerIndex === undefined) return { counted, succeeded, awaited: new Map() };
  const failed = union(
    parseIntervals(job.status?.failedIndexes, completions),
    indexesOf(tracked.filter((pod) => failsIndex(job, pod, backoffLimitPerIndex))),
  );
  const running = indexesOf(active.filter((pod) => indexOf(pod, job) !== undefined));
  const taken = union(union(succeeded, failed), running);
  return { counted, succeeded, failed, awaited: awaitedPods(job, tracked, taken) };
}

/** Whether its failure is the last that its index may have. */
function failsIndex(job: Job, pod: Pod, limit: number): boolean {
  if (!isPodFailed(pod, job)) return false;
  const { counts, action } = judgeFailure(job.spec.podFailurePolicy, pod);
  return action === "FailIndex" || (counts && failuresOf(pod) >= limit);
}

function awaitedPods(job: Job, tracked: readonly Pod[], taken: Intervals): Map<number, Pod> {
  const awaited = new Map<number, Pod>();
  for (const pod of tracked) {
    const index = indexOf(pod, job);
    if (index === undefined || !isPodFailed(pod, job) || contains(taken, index)) continue;
    const last = awaited.get(index);
    if (
      last === undefined ||
      (allFailuresOf(last) <= allFailuresOf(pod) && finishedAt_ms(last) <= finishedAt_ms(pod))
    )
      awaited.set(index, pod);
  }
  return awaited;
}

function endedByIndexes(
  { spec }: Job,
  { succeeded, failed }: IndexedEvaluation,
  now_ms: number,
): JobCondition | undefined {
  const { completions = 0, maxFailedIndexes = Infinity, successPolicy } = spec;
  const failure = (reason: string, message: string) =>
    conditionOf("FailureTarget", reason, message, now_ms);
  const failures = failed === undefined ? 0 : total(failed);
  if (failures > maxFailedIndexes) {
    const why = "Job has exceeded the specified maximal number of failed indexes";
    return failure("MaxFailedIndexesExceeded", why);
  }
  if (failures > 0 && failures + total(succeeded) >= completions) {
    return failure("FailedIndexes", "Job has failed indexes");
  }
  const message = successMessage(successPolicy, succeeded, completions);
  return message === undefined
    ? undefined
    : conditionOf("SuccessCriteriaMet", "SuccessPolicy", message, now_ms);
}
