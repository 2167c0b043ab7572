import type { Job, JobCondition } from "@raft2kube/api/gen/batch/v1.ts";
import { exponentialBounds, MetricArea } from "@raft2kube/observe/families.ts";

/** The result of a Job's sync. */
export type JobAction = "reconciling" | "tracking" | "pods_created" | "pods_deleted";

/** Jobs and CronJobs. */
export class JobMetrics extends MetricArea {
  /** Seconds from the time that a CronJob was to start a Job to its creation. */
  readonly creationSkew = this.histogram(
    "cronjob_controller_job_creation_skew_duration_seconds",
    "Time from a CronJob's start to the creation of its Job.",
    exponentialBounds(1, 2, 10),
  ).of();
  readonly #syncs = this.counter("job_controller_job_syncs_total", "Looks at Jobs.");
  readonly #syncDurations = this.histogram(
    "job_controller_job_sync_duration_seconds",
    "How long a look at a Job took.",
    exponentialBounds(0.004, 2, 15),
  );
  readonly #finished = this.counter("job_controller_jobs_finished_total", "Jobs that have ended.");
  readonly #podsFinished = this.counter(
    "job_controller_job_pods_finished_total",
    "Ended pods of Jobs that were counted.",
  );
  synced(job: Job, action: JobAction, result: "success" | "error", took_s: number): void {
    const labels = { completion_mode: modeOf(job), result, action };
    this.#syncs.of(labels).add();
    this.#syncDurations.of(labels).observe(took_s);
  }

  finished(job: Job, { type, reason = "" }: JobCondition): void {
    const result = type === "Complete" ? "succeeded" : "failed";
    this.#finished.of({ completion_mode: modeOf(job), result, reason }).add();
  }

  /** Pods whose end the status of a Job has come to count. */
  podsFinished(job: Job, result: "succeeded" | "failed", count: number): void {
    if (count > 0) this.#podsFinished.of({ completion_mode: modeOf(job), result }).add(count);
  }
}

const modeOf = ({ spec }: Job): string => spec.completionMode ?? "NonIndexed";
