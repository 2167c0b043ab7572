import type { Job, JobCondition, JobStatus } from "@raft2kube/api/gen/batch/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { UNCOUNTED_PODS_MAX } from "../limits.ts";
import { conditionOf, type Evaluation, holding } from "./evaluate.ts";
import { contains, intervalsOf, intervalsText, total, union } from "./intervals.ts";
import { indexOf, isIndexed, isPodFailed, isTracked } from "./job-pods.ts";
import { judgeFailure } from "./policies.ts";

/** The first of the two writes that count ended pods. */
export interface Tracking {
  /** The status, with the uids of ended pods, and the condition that announces the end. */
  status: JobStatus;
  /** Pods to release once that is written. */
  release: readonly Pod[];
  /** The condition of the end, for after the release. */
  final?: JobCondition;
}

/**
 * Writes ended pods into the status before their finalizers are removed (KEP 2307): after a crash
 * in between, a pod is either tracked, or its uid or index is in the status.
 */
export function track(
  job: Job,
  evaluation: Evaluation,
  ending: JobCondition | undefined,
  now_ms: number,
): Tracking {
  const status = countReleased(job.status ?? {}, evaluation.pods);
  const uncounted = status.uncountedTerminatedPods ?? {};
  const succeeded = [...(uncounted.succeeded ?? [])];
  const failed = [...(uncounted.failed ?? [])];
  const indexes: number[] = [];
  const release: Pod[] = [];
  let full = false;
  for (const pod of inOrderOfIndex(job, evaluation.pods)) {
    if (!isTracked(pod) || !isReleasable(job, evaluation, pod, ending)) continue;
    release.push(pod);
    const { uid = "" } = pod.metadata;
    const index = indexOf(pod, job);
    const counted = isIndexed(job) && index === undefined;
    if (pod.status?.phase === "Succeeded" && !failed.includes(uid)) {
      if (isIndexed(job)) {
        const known = contains(evaluation.indexes?.counted ?? [], index ?? 0);
        if (!counted && !known) indexes.push(index ?? 0);
      } else if (!succeeded.includes(uid)) {
        succeeded.push(uid);
      }
    } else if (isFailure(job, pod, ending) && !failed.includes(uid) && !counted) {
      if (judgeFailure(job.spec.podFailurePolicy, pod).counts) failed.push(uid);
    }
    full = indexes.length + succeeded.length + failed.length >= UNCOUNTED_PODS_MAX;
    if (full) break;
  }
  status.uncountedTerminatedPods = {
    ...(succeeded.length > 0 && { succeeded }),
    ...(failed.length > 0 && { failed }),
  };
  if (evaluation.indexes) countIndexes(status, evaluation, indexes);
  const final = announce(status, ending, now_ms);
  return { status, release, ...(final && !full && { final }) };
}

/** The second step: the status that counts pods which are no longer tracked. */
export function countReleased(status: JobStatus, pods: readonly Pod[]): JobStatus {
  const tracked = new Set(pods.filter(isTracked).map(({ metadata }) => metadata.uid));
  const next: JobStatus = { ...status, uncountedTerminatedPods: {} };
  for (const outcome of ["succeeded", "failed"] as const) {
    const uids = status.uncountedTerminatedPods?.[outcome] ?? [];
    const left = uids.filter((uid) => tracked.has(uid));
    if (left.length > 0) next.uncountedTerminatedPods![outcome] = left;
    const count = (status[outcome] ?? 0) + uids.length - left.length;
    if (count > 0) next[outcome] = count;
  }
  return next;
}

/** Whether nothing of the end is still to come: no pod uncounted, none on its way out. */
export function canFinish({ uncountedTerminatedPods, terminating = 0 }: JobStatus): boolean {
  const { succeeded = [], failed = [] } = uncountedTerminatedPods ?? {};
  return succeeded.length + failed.length === 0 && terminating === 0;
}

function inOrderOfIndex(job: Job, pods: readonly Pod[]): readonly Pod[] {
  if (!isIndexed(job)) return pods;
  const place = (pod: Pod) => indexOf(pod, job) ?? -1;
  return [...pods].sort((a, b) => place(a) - place(b));
}

/** A failed pod that its index's next one takes the count from waits for that. */
function isReleasable(
  job: Job,
  { indexes }: Evaluation,
  pod: Pod,
  ending: JobCondition | undefined,
): boolean {
  if (job.metadata.deletionTimestamp !== undefined || ending !== undefined) return true;
  if (pod.status?.phase === "Succeeded") return true;
  if (!isPodFailed(pod, job)) return false;
  const index = indexOf(pod, job);
  const awaited = index === undefined ? undefined : indexes?.awaited.get(index);
  return awaited?.metadata.uid !== pod.metadata.uid || awaited === undefined;
}

/**
 * Whether a pod counts as failed: when the job fails every pod that has not ended, when it succeeds
 * none.
 */
function isFailure(job: Job, pod: Pod, ending: JobCondition | undefined): boolean {
  const byEnd = ending !== undefined && ending.type !== "SuccessCriteriaMet";
  return isPodFailed(pod, job) || byEnd;
}

function countIndexes(
  status: JobStatus,
  { indexes }: Evaluation,
  succeededNow: readonly number[],
): void {
  // Succeeded pods that are not released in this step stay for the next one.
  const completed = union(indexes?.counted ?? [], intervalsOf(succeededNow));
  delete status.succeeded;
  delete status.completedIndexes;
  if (completed.length > 0) {
    status.succeeded = total(completed);
    status.completedIndexes = intervalsText(completed);
  }
  delete status.failedIndexes;
  if (indexes?.failed) status.failedIndexes = intervalsText(indexes.failed);
}

/** Puts the announcement of an end into the status; gives the end's own condition. */
function announce(
  status: JobStatus,
  ending: JobCondition | undefined,
  now_ms: number,
): JobCondition | undefined {
  if (ending === undefined || ending.type === "Failed") return ending;
  const { type, reason = "", message = "" } = ending;
  if (!holding({ status } as Job, type)) status.conditions = [...(status.conditions ?? []), ending];
  return conditionOf(type === "FailureTarget" ? "Failed" : "Complete", reason, message, now_ms);
}
