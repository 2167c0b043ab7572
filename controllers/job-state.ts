import type { Job } from "@raft2kube/api/gen/batch/v1.ts";

/** The condition that a finished job has; undefined while it runs. */
export function finishedCondition(job: Job): "Complete" | "Failed" | undefined {
  for (const { type, status } of job.status?.conditions ?? []) {
    if (status === "True" && (type === "Complete" || type === "Failed")) return type;
  }
  return undefined;
}
