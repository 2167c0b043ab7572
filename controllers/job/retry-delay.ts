import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { type Pauses, pauseAfter } from "@raft2kube/reconcile/backoff.ts";
import { JOB_BACKOFF_MS, JOB_BACKOFF_MS_MAX } from "../limits.ts";
import { allFailuresOf, finishedAt_ms } from "./job-pods.ts";

const PAUSES: Pauses = { first_ms: JOB_BACKOFF_MS, most_ms: JOB_BACKOFF_MS_MAX };

/** A job's failures since its last success. */
export type Backoff = { failures: number; last_ms: number };

export const NO_FAILURES: Backoff = { failures: 0, last_ms: 0 };

/** The record with pods that have ended since. */
export function nextBackoff(
  old: Backoff,
  succeeded: readonly Pod[],
  failed: readonly Pod[],
): Backoff {
  const failed_ms = failed.map(finishedAt_ms);
  if (succeeded.length === 0) {
    if (failed.length === 0) return old;
    return { failures: old.failures + failed.length, last_ms: Math.max(...failed_ms) };
  }
  const success_ms = Math.max(...succeeded.map(finishedAt_ms));
  const since = failed_ms.filter((each) => each > success_ms);
  return since.length === 0 ? NO_FAILURES : { failures: since.length, last_ms: Math.max(...since) };
}

/** How long until a pod may be made again: 10 s, doubled by each failure, at most 10 minutes. */
export function remainingBackoff_ms({ failures, last_ms }: Backoff, now_ms: number): number {
  if (failures === 0) return 0;
  return Math.max(0, last_ms + pauseAfter(failures, PAUSES) - now_ms);
}

/** The same for one index, whose failures its last failed pod has counted. */
export function remainingIndexBackoff_ms(last: Pod | undefined, now_ms: number): number {
  if (last === undefined) return 0;
  const failures = allFailuresOf(last) + 1;
  return remainingBackoff_ms({ failures, last_ms: finishedAt_ms(last) }, now_ms);
}
