import type { Job } from "@raft2kube/api/gen/batch/v1.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import { finishedCondition } from "../job-state.ts";

/** When a finished job is to be deleted; undefined when it is not, or is being deleted. */
export function expiresAt_ms(job: Job): number | undefined {
  const { ttlSecondsAfterFinished: ttl_s } = job.spec;
  const finished = finishedCondition(job);
  if (ttl_s === undefined || !finished || job.metadata.deletionTimestamp) return undefined;
  const condition = job.status?.conditions?.find(({ type }) => type === finished);
  const finished_ms = timeOf(condition?.lastTransitionTime);
  return finished_ms === undefined ? undefined : finished_ms + ttl_s * 1000;
}
