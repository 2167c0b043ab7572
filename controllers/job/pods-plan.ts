import type { Job } from "@raft2kube/api/gen/batch/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isPodTerminating } from "@raft2kube/client-kube/object/pod-state.ts";
import { JOB_PODS_BURST } from "../limits.ts";
import { podsToDelete } from "../replicaset/ranking.ts";
import type { Evaluation } from "./evaluate.ts";
import { firstFree, intervalsOf, union } from "./intervals.ts";
import { indexOf, isIndexed, replacesFailedOnly } from "./job-pods.ts";
import { remainingBackoff_ms, remainingIndexBackoff_ms } from "./retry-delay.ts";

/** The pods to create and delete to reach the wanted number. */
export type PodsPlan =
  | { do: "nothing" }
  | { do: "wait"; again_ms: number }
  /** One pod for each; the indexes of an Indexed job. */
  | { do: "create"; indexes: (number | undefined)[] }
  | { do: "delete"; pods: readonly Pod[] };

/** Plans for a job that has not come to its end. Surplus pods go first, in a step of their own. */
export function planPods(job: Job, evaluation: Evaluation, now_ms: number): PodsPlan {
  const { active, terminating, backoff, indexes } = evaluation;
  if (job.spec.suspend === true) return { do: "delete", pods: active };
  const wanted = wantedActive(job, evaluation);
  const surplus = surplusPods(job, active, active.length - wanted, now_ms);
  if (surplus.length > 0) return { do: "delete", pods: surplus.slice(0, JOB_PODS_BURST) };
  const leaving = replacesFailedOnly(job) ? terminating : 0;
  const missing = Math.min(wanted - leaving - active.length, JOB_PODS_BURST);
  if (missing <= 0) return { do: "nothing" };
  if (indexes?.failed === undefined) {
    const again_ms = remainingBackoff_ms(backoff, now_ms);
    if (again_ms > 0) return { do: "wait", again_ms };
  }
  if (indexes === undefined) {
    return { do: "create", indexes: Array.from({ length: missing }, () => undefined) };
  }
  const free = pendingIndexes(job, evaluation, missing);
  const waits_ms = free.map(
    (index) =>
      (indexes.failed && remainingIndexBackoff_ms(indexes.awaited.get(index), now_ms)) || 0,
  );
  const now = free.filter((_, place) => waits_ms[place] === 0);
  if (now.length > 0) return { do: "create", indexes: now };
  return free.length === 0 ? { do: "nothing" } : { do: "wait", again_ms: Math.min(...waits_ms) };
}

/**
 * Active pods wanted. Without completions one success is enough, and the running pods may finish.
 */
function wantedActive({ spec }: Job, { active, succeeded }: Evaluation): number {
  const { completions, parallelism = 1 } = spec;
  if (completions !== undefined) return Math.max(0, Math.min(parallelism, completions - succeeded));
  return succeeded > 0 ? active.length : parallelism;
}

/** Pods without an index or with a duplicate one first, then as many as are too many. */
function surplusPods(job: Job, active: readonly Pod[], atLeast: number, now_ms: number): Pod[] {
  const remove: Pod[] = [];
  let left = active;
  if (isIndexed(job)) {
    const byIndex = Map.groupBy(active, (pod) => indexOf(pod, job));
    remove.push(...(byIndex.get(undefined) ?? []));
    for (const [index, pods] of byIndex) {
      if (index === undefined || pods.length < 2) continue;
      remove.push(...podsToDelete(pods, [], pods.length - 1, now_ms));
    }
    const removed = new Set(remove);
    left = active.filter((pod) => !removed.has(pod));
  }
  const more = atLeast - remove.length;
  return more <= 0 ? remove : [...remove, ...podsToDelete(left, [], more, now_ms)];
}

function pendingIndexes(job: Job, { pods, active, indexes }: Evaluation, count: number): number[] {
  const busy = replacesFailedOnly(job) ? [...active, ...pods.filter(isPodTerminating)] : active;
  const running = intervalsOf(busy.flatMap((pod) => indexOf(pod, job) ?? []));
  const taken = union(union(indexes?.succeeded ?? [], indexes?.failed ?? []), running);
  return firstFree(taken, count, job.spec.completions ?? 0);
}
