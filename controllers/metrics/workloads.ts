import type { Job, JobCondition } from "@raft2kube/api/gen/batch/v1.ts";
import { exponentialBounds, MetricArea } from "@raft2kube/observe/families.ts";
import { JOB_CONTROLLERS_COUNTED_MAX } from "../limits.ts";

/** The result of a Job's sync. */
export type JobAction = "reconciling" | "tracking" | "pods_created" | "pods_deleted";

/** Jobs, CronJobs and the end of finished Jobs. */
export class JobMetrics extends MetricArea {
  /** Seconds from the time that a CronJob was to start a Job to its creation. */
  readonly creationSkew = this.histogram(
    "cronjob_controller_job_creation_skew_duration_seconds",
    "Time from a CronJob's start to the creation of its Job.",
    exponentialBounds(1, 2, 10),
  ).of();
  /** Seconds from the end of a finished Job's time to its deletion. */
  readonly ttlDeletion = this.histogram(
    "ttl_after_finished_controller_job_deletion_duration_seconds",
    "Time from the end of a Job's TTL to its deletion.",
    exponentialBounds(0.1, 2, 14),
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
  readonly #podsCreated = this.counter(
    "job_controller_job_pods_creation_total",
    "Pods that were created for Jobs.",
  );
  readonly #indexes = this.counter(
    "job_controller_job_finished_indexes_total",
    "Indexes of Jobs that have ended.",
  );
  readonly #managedElsewhere = this.counter(
    "job_controller_jobs_by_external_controller_total",
    "Jobs that are another controller's.",
  );
  readonly #controllers = new Set<string>();
  readonly #failuresHandled = this.counter(
    "job_controller_pod_failures_handled_by_failure_policy_total",
    "Failed pods by the action of the rule that they match.",
  );
  readonly #endedPods = this.counter(
    "job_controller_terminated_pods_tracking_finalizer_total",
    "Ended pods that came to have the finalizer of Jobs, and that no longer have it.",
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

  /** Indexes whose end the status of a Job has come to show. */
  indexesFinished({ spec }: Job, status: "succeeded" | "failed", count: number): void {
    const backoffLimit = spec.backoffLimitPerIndex === undefined ? "global" : "perIndex";
    if (count > 0) this.#indexes.of({ status, backoffLimit }).add(count);
  }

  /** A Job appeared whose `managedBy` names another controller; of many names some are "other". */
  managedElsewhere(controller: string): void {
    const known = this.#controllers;
    if (known.size < JOB_CONTROLLERS_COUNTED_MAX) known.add(controller);
    const controller_name = known.has(controller) ? controller : "other";
    this.#managedElsewhere.of({ controller_name }).add();
  }

  /** Failed pods that matched a rule with this action, one for each. */
  failuresHandled(actions: readonly string[]): void {
    for (const action of actions) this.#failuresHandled.of({ action }).add();
  }

  /** Whether a pod was and is one that has ended and is not counted for good. */
  endedPodsTracked(before: boolean, after: boolean): void {
    if (before !== after) this.#endedPods.of({ event: after ? "add" : "delete" }).add();
  }

  /** Pods were created for a Job, which before had `failed` and `terminating` ones. */
  podsCreated(
    job: Job,
    before: { failed: number; terminating: number },
    made: number,
    wanted: number,
  ): void {
    const replaces = before.failed > 0 || before.terminating > 0;
    const onlyFailed = job.spec.podReplacementPolicy === "Failed" && before.failed > 0;
    const reason = onlyFailed
      ? "recreate_failed"
      : replaces
        ? "recreate_terminating_or_failed"
        : "new";
    if (made > 0) this.#podsCreated.of({ reason, status: "succeeded" }).add(made);
    if (wanted > made) this.#podsCreated.of({ reason, status: "failed" }).add(wanted - made);
  }
}

const modeOf = ({ spec }: Job): string => spec.completionMode ?? "NonIndexed";
