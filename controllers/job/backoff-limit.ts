import type { Job } from "@raft2kube/api/gen/batch/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";

/**
 * Whether more pods of a Job have failed than its `backoffLimit`, or, with restartPolicy OnFailure,
 * their containers were restarted as often (upstream: exceedsBackoffLimit and pastBackoffLimit).
 */
export function exceedsBackoffLimit(job: Job, pods: readonly Pod[], failed: number): boolean {
  return failed > (job.spec.backoffLimit ?? Infinity) || tooManyRestarts(job, pods);
}

/** Whether containers that are restarted in place were so too often. */
function tooManyRestarts({ spec }: Job, pods: readonly Pod[]): boolean {
  if (spec.template.spec?.restartPolicy !== "OnFailure") return false;
  const restarts = pods
    .filter(({ status }) => status?.phase === "Running" || status?.phase === "Pending")
    .flatMap(({ status }) => [
      ...(status?.initContainerStatuses ?? []),
      ...(status?.containerStatuses ?? []),
    ])
    .reduce((sum, { restartCount }) => sum + restartCount, 0);
  return restarts >= Math.max(1, spec.backoffLimit ?? Infinity);
}
