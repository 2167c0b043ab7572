import type { CronJob, CronJobStatus, Job } from "@raft2kube/api/gen/batch/v1.ts";
import type { ObjectReference } from "@raft2kube/api/gen/core/v1.ts";
import {
  isAlreadyExists,
  isNamespaceTerminating,
  isNotFound,
} from "@raft2kube/client-kube/errors.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { nameOf, type ObjectName } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { jobOf } from "./job-of.ts";
import type { CronPlan } from "./plan.ts";

/** The parts that apply a CronJob's plan. */
export interface CronControl {
  cronJobs: ResourceClient<CronJob>;
  jobs: ResourceClient<Job>;
  recorder: EventRecorder;
  /** Called with each job that was created and its scheduled time. */
  created(start_ms: number): void;
}

/**
 * Carries out a plan: deletions, the start, then the status that reports them. Returns the CronJob
 * as it was written, or as it was. A start that fails is an error after the status is written.
 */
export async function applyCronPlan(
  control: CronControl,
  cronJob: CronJob,
  plan: CronPlan,
): Promise<CronJob> {
  for (const { type, reason, message } of plan.notes) {
    control.recorder.record(cronJob, type, reason, message);
  }
  for (const { metadata } of plan.expired) {
    if (metadata.deletionTimestamp !== undefined) continue;
    await removed(control, cronJob, { ...metadata, name: metadata.name ?? "" });
  }
  let status = plan.status;
  let failure: unknown;
  if (plan.start_ms !== undefined) {
    try {
      status = await start(control, cronJob, plan, plan.start_ms);
    } catch (thrown) {
      failure = thrown;
    }
  }
  const written = sameStatus(cronJob.status, status)
    ? cronJob
    : await control.cronJobs.updateStatus({ ...cronJob, status });
  if (failure !== undefined) throw failure;
  return written;
}

/** Makes way, creates the job, and gives the status that lists it. */
async function start(
  control: CronControl,
  cronJob: CronJob,
  { status, replaced }: CronPlan,
  start_ms: number,
): Promise<CronJobStatus> {
  let active = status.active ?? [];
  for (const { namespace, name = "", uid } of replaced) {
    await removed(control, cronJob, { namespace, name, uid }, true);
    active = active.filter((each) => each.uid !== uid);
  }
  const job = await create(control, cronJob, start_ms);
  // Another owner's job has the name, and is theirs to track.
  if (job === undefined) return { ...status, active };
  return { ...status, active: [...active, referenceTo(job)], lastScheduleTime: timeText(start_ms) };
}

/** The job, created now or by a start before that did not come to write the status. */
async function create(
  control: CronControl,
  cronJob: CronJob,
  start_ms: number,
): Promise<Job | undefined> {
  const wanted = jobOf(cronJob, start_ms);
  try {
    const job = await control.jobs.create(wanted);
    control.created(start_ms);
    const message = `Created job ${job.metadata.name}`;
    control.recorder.record(cronJob, "Normal", "SuccessfulCreate", message);
    return job;
  } catch (thrown) {
    if (isAlreadyExists(thrown)) {
      const job = await control.jobs.get(nameOf(wanted));
      return controllerOf(job)?.uid === cronJob.metadata.uid ? job : undefined;
    }
    if (!isNamespaceTerminating(thrown)) {
      const message = `Error creating job: ${messageOf(thrown)}`;
      control.recorder.record(cronJob, "Warning", "FailedCreate", message);
    }
    throw thrown;
  }
}

/** Deletes a job and, later, its pods; one that is gone already is not recorded. */
async function removed(
  { jobs, recorder }: CronControl,
  cronJob: CronJob,
  { namespace, name, uid }: ObjectName & { uid?: string },
  needed = false,
): Promise<void> {
  try {
    const options = { propagationPolicy: "Background", preconditions: { uid } } as const;
    await jobs.delete({ namespace, name }, options);
    recorder.record(cronJob, "Normal", "SuccessfulDelete", `Deleted job ${name}`);
  } catch (thrown) {
    if (isNotFound(thrown)) return;
    const message = `Deleted job: ${messageOf(thrown)}`;
    recorder.record(cronJob, "Warning", "FailedDelete", message);
    if (needed) throw thrown;
  }
}

function referenceTo({ metadata }: Job): ObjectReference {
  const { namespace, name, uid, resourceVersion } = metadata;
  return { apiVersion: "batch/v1", kind: "Job", namespace, name, uid, resourceVersion };
}

function sameStatus(old: CronJobStatus = {}, status: CronJobStatus): boolean {
  const uids = ({ active = [] }: CronJobStatus) => active.map(({ uid }) => uid).join();
  return (
    uids(old) === uids(status) &&
    old.lastScheduleTime === status.lastScheduleTime &&
    old.lastSuccessfulTime === status.lastSuccessfulTime
  );
}
