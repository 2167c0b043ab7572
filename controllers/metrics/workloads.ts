import {
  exponentialBounds, type CounterFamily, familiesOf, type HistogramFamily, type Spread,
} from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { Job, JobCondition } from "@raft2kube/api/gen/batch/v1.ts";

/** The result of a Job's sync. */
export type JobAction = "reconciling" | "tracking" | "pods_created" | "pods_deleted";

/** Jobs, CronJobs and the end of finished Jobs. */
export class JobMetrics {
  /** Seconds from the time that a CronJob was to start a Job to its creation. */
  readonly creationSkew: Spread;
  /** Seconds from the end of a finished Job's time to its deletion. */
  readonly ttlDeletion: Spread;
  readonly #syncs: CounterFamily;
  readonly #syncDurations: HistogramFamily;
  readonly #finished: CounterFamily;
  readonly #podsFinished: CounterFamily;
  readonly #podsCreated: CounterFamily;

  constructor(registry: Registry) {
    const { counter, histogram } = familiesOf(registry);
    this.creationSkew = histogram("cronjob_controller_job_creation_skew_duration_seconds",
      "Time from a CronJob's start to the creation of its Job.", exponentialBounds(1, 2, 10)).of();
    this.ttlDeletion = histogram("ttl_after_finished_controller_job_deletion_duration_seconds",
      "Time from the end of a Job's TTL to its deletion.", exponentialBounds(0.1, 2, 14)).of();
    this.#syncs = counter("job_controller_job_syncs_total", "Looks at Jobs.");
    this.#syncDurations = histogram("job_controller_job_sync_duration_seconds",
      "How long a look at a Job took.", exponentialBounds(0.004, 2, 15));
    this.#finished = counter("job_controller_jobs_finished_total", "Jobs that have ended.");
    this.#podsFinished = counter("job_controller_job_pods_finished_total",
      "Ended pods of Jobs that were counted.");
    this.#podsCreated = counter("job_controller_job_pods_creation_total",
      "Pods that were created for Jobs.");
  }

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

  /** Pods that were created for a Job with so many failed and terminating ones, and were not. */
  podsCreated(job: Job, before: { failed: number; terminating: number }, made: number,
    wanted: number): void {
    const replaces = before.failed > 0 || before.terminating > 0;
    const onlyFailed = job.spec.podReplacementPolicy === "Failed" && before.failed > 0;
    const reason = onlyFailed ? "recreate_failed"
      : replaces ? "recreate_terminating_or_failed" : "new";
    if (made > 0) this.#podsCreated.of({ reason, status: "succeeded" }).add(made);
    if (wanted > made) this.#podsCreated.of({ reason, status: "failed" }).add(wanted - made);
  }
}

const modeOf = ({ spec }: Job): string => spec.completionMode ?? "NonIndexed";
