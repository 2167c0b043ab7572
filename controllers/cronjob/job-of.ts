import { offsetAt } from "@raft2kube/api/batch/v1/next-start.ts";
import type { CronJob, Job } from "@raft2kube/api/gen/batch/v1.ts";
import { controllerReference } from "@raft2kube/client-kube/object/owner.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";

export const CRON_JOB_TYPE = { apiVersion: "batch/v1", kind: "CronJob" };
const SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/**
 * Returns the name of the job of one start. It contains the minute, so that a second start in the
 * same minute conflicts.
 */
export function jobName(cronJob: CronJob, scheduled_ms: number): string {
  return `${cronJob.metadata.name ?? ""}-${Math.floor(scheduled_ms / 60_000)}`;
}

/** The job of one start, owned by its CronJob. */
export function jobOf(cronJob: CronJob, scheduled_ms: number): Job {
  const { metadata = {}, spec } = cronJob.spec.jobTemplate;
  const scheduled = zonedTimeText(cronJob.spec.timeZone ?? "UTC", scheduled_ms);
  return {
    metadata: {
      namespace: cronJob.metadata.namespace,
      name: jobName(cronJob, scheduled_ms),
      labels: metadata.labels,
      annotations: { ...metadata.annotations, [SCHEDULED]: scheduled },
      ownerReferences: [controllerReference(cronJob, CRON_JOB_TYPE)],
    },
    spec: structuredClone(spec ?? { template: {} }),
  };
}

/** RFC 3339 with the offset of a zone. */
function zonedTimeText(zone: string, at_ms: number): string {
  const minutes = Math.floor(offsetAt(zone, at_ms) / 60_000);
  if (minutes === 0) return timeText(at_ms);
  const wall = timeText(at_ms + minutes * 60_000).replace("Z", "");
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  const digits = [hours, rest].map((each) => String(each).padStart(2, "0")).join(":");
  return `${wall}${minutes < 0 ? "-" : "+"}${digits}`;
}
