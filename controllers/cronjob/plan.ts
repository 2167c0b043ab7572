import { isTimeZone } from "@raft2kube/api/batch/v1/next-start.ts";
import { parseSchedule } from "@raft2kube/api/batch/v1/schedule.ts";
import type { CronJob, CronJobStatus, Job } from "@raft2kube/api/gen/batch/v1.ts";
import type { ObjectReference } from "@raft2kube/api/gen/core/v1.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import { finishedCondition } from "../job-state.ts";
import { jobName } from "./job-of.ts";
import { missedStarts, type Timetable, untilNextStart } from "./missed.ts";

/** An event about a CronJob. */
export type Note = { type: "Normal" | "Warning"; reason: string; message: string };

/** The plan for a CronJob. */
export interface CronPlan {
  notes: Note[];
  /** Finished jobs beyond the history limits. */
  expired: Job[];
  /** The status, without the jobs of `expired`. */
  status: CronJobStatus;
  /** Jobs that make way for the one to start. */
  replaced: ObjectReference[];
  /** The start that is due; absent when none is. */
  start_ms?: number;
  timetable?: Timetable;
}

/** A CronJob's jobs, and the uids of active ones that no longer exist. */
export interface CronView {
  jobs: readonly Job[];
  missing: ReadonlySet<string>;
  /** The zone of schedules that name none. */
  localZone: string;
}

/** Decides in the order of upstream's checks; reports each start once. */
export function planCronJob(cronJob: CronJob, view: CronView, now_ms: number): CronPlan {
  const notes: Note[] = [];
  const expired = expiredJobs(cronJob, view.jobs);
  const status = seenStatus(cronJob, view, expired, notes);
  const plan: CronPlan = { notes, expired, status, replaced: [] };
  if (cronJob.metadata.deletionTimestamp !== undefined) return plan;
  const timetable = timetableOf(cronJob, view.localZone);
  if (isNote(timetable)) notes.push(timetable);
  if (isNote(timetable) || cronJob.spec.suspend === true) return plan;
  const missed = missedStarts(cronJob, timetable, now_ms, true);
  if (missed === undefined) {
    const why = "time difference between two schedules is less than 1 second";
    const message = `invalid schedule: ${cronJob.spec.schedule} : ${why}`;
    notes.push({ type: "Warning", reason: "InvalidSchedule", message });
    return plan;
  }
  plan.timetable = timetable;
  if (missed.recent_ms === undefined) return plan;
  if (missed.how === "many") notes.push(TOO_MANY_MISSED);
  return decideStart(cronJob, plan, missed.recent_ms);
}

const TOO_MANY_MISSED: Note = {
  type: "Warning",
  reason: "TooManyMissedTimes",
  message:
    "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check " +
    "clock skew",
};

function decideStart(cronJob: CronJob, plan: CronPlan, start_ms: number): CronPlan {
  const { concurrencyPolicy } = cronJob.spec;
  const { active = [], lastScheduleTime } = plan.status;
  const name = jobName(cronJob, start_ms);
  if (active.some((job) => job.name === name) || timeOf(lastScheduleTime) === start_ms) return plan;
  if (concurrencyPolicy === "Forbid" && active.length > 0) {
    const message =
      "Not starting job because prior execution is running and concurrency policy " + "is Forbid";
    plan.notes.push({ type: "Normal", reason: "JobAlreadyActive", message });
    return plan;
  }
  const replaced = concurrencyPolicy === "Replace" ? active : [];
  return { ...plan, start_ms, replaced };
}

/** The timetable of a CronJob, or what is wrong with it. */
export function timetableOf({ spec }: CronJob, localZone: string): Timetable | Note {
  const zone = spec.timeZone ?? localZone;
  if (!isTimeZone(zone)) {
    const message = `invalid timeZone: "${zone}": unknown time zone ${zone}`;
    return { type: "Warning", reason: "UnknownTimeZone", message };
  }
  const schedule = parseSchedule(spec.schedule);
  if (typeof schedule !== "string") return { schedule, zone };
  const message = `unparseable schedule: "${spec.schedule}" : ${schedule}`;
  return { type: "Warning", reason: "UnparseableSchedule", message };
}

/** Whether a schedule could not be read. */
export const isNote = (value: Timetable | Note): value is Note => "reason" in value;

/** Milliseconds until a CronJob must be looked at again; undefined when its time never comes. */
export function nextLook(
  cronJob: CronJob,
  timetable: Timetable | undefined,
  now_ms: number,
): number | undefined {
  return timetable === undefined ? undefined : untilNextStart(cronJob, timetable, now_ms);
}

/** The status according to the jobs' own, and notes about changes. */
function seenStatus(
  { status = {} }: CronJob,
  { jobs, missing }: CronView,
  expired: readonly Job[],
  notes: Note[],
): CronJobStatus {
  const gone = new Set(expired.map(({ metadata }) => metadata.uid));
  const listed = (status.active ?? []).filter(({ uid }) => !gone.has(uid));
  const active = new Map(listed.map((each) => [each.uid, each]));
  let lastSuccessfulTime = status.lastSuccessfulTime;
  for (const job of jobs) {
    const { name, uid } = job.metadata;
    const finished = finishedCondition(job);
    if (finished === undefined) {
      if (active.has(uid)) continue;
      const message = `Saw a job that the controller did not create or forgot: ${name}`;
      notes.push({ type: "Warning", reason: "UnexpectedJob", message });
      continue;
    }
    if (active.delete(uid)) {
      const message = `Saw completed job: ${name}, condition: ${finished}`;
      notes.push({ type: "Normal", reason: "SawCompletedJob", message });
    }
    const completed_ms = timeOf(job.status?.completionTime);
    if (finished !== "Complete" || completed_ms === undefined) continue;
    const last_ms = timeOf(lastSuccessfulTime);
    if (last_ms === undefined || completed_ms > last_ms) {
      lastSuccessfulTime = job.status?.completionTime;
    }
  }
  for (const [uid, { name }] of active) {
    if (!missing.has(uid ?? "")) continue;
    active.delete(uid);
    const message = `Active job went missing: ${name}`;
    notes.push({ type: "Normal", reason: "MissingJob", message });
  }
  return { ...status, active: [...active.values()], lastSuccessfulTime };
}

/** The oldest finished jobs beyond the limits, of each outcome. */
function expiredJobs({ spec }: CronJob, jobs: readonly Job[]): Job[] {
  const beyond = (outcome: string, limit = Infinity) => {
    const finished = jobs.filter((job) => finishedCondition(job) === outcome).sort(byStart);
    return finished.slice(0, Math.max(0, finished.length - limit));
  };
  return [
    ...beyond("Complete", spec.successfulJobsHistoryLimit),
    ...beyond("Failed", spec.failedJobsHistoryLimit),
  ];
}

/** Compares jobs by start, then by name; those that never started are the last. */
function byStart(a: Job, b: Job): number {
  const start = ({ status }: Job) => timeOf(status?.startTime) ?? Infinity;
  if (start(a) !== start(b)) return start(a) - start(b);
  return (a.metadata.name ?? "") < (b.metadata.name ?? "") ? -1 : 1;
}
