import type { CronJob, Job } from "@raft2kube/api/gen/batch/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import { CRON_JOBS, JOBS } from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { byController, CONTROLLER_INDEX, controlledBy } from "../indexes.ts";
import { finishedCondition } from "../job-state.ts";
import { CRON_LOOK_MS, UNSEEN_MS } from "../limits.ts";
import { closeAll, startLoop } from "../loop.ts";
import { WriteTracker } from "../write-tracker.ts";
import { applyCronPlan, type CronControl } from "./apply.ts";
import { CRON_JOB_TYPE } from "./job-of.ts";
import { isNote, nextLook, planCronJob, timetableOf } from "./plan.ts";

const ACCOUNT = "cronjob-controller";

/** Starts the jobs of each CronJob in time, and removes old ones. */
export function startCronJobs(context: ControllerContext): Running {
  const { clock, informers, metrics } = context;
  const cronJobs = informers.of(CRON_JOBS);
  const jobs = informers.of(JOBS);
  jobs.index(CONTROLLER_INDEX, byController);
  const client = context.client(ACCOUNT);
  const recorder = context.recorder(ACCOUNT, ACCOUNT);
  const control: CronControl = {
    cronJobs: client.resource(CRON_JOBS),
    jobs: client.resource(JOBS),
    recorder,
    created: (start_ms) =>
      metrics.jobs.creationSkew.observe(Math.max(0, clock.now() - start_ms) / 1_000),
  };
  const tracker = new WriteTracker(clock);
  const localZone = new Intl.DateTimeFormat().resolvedOptions().timeZone;

  const reconcile = async (key: string) => {
    const known = cronJobs.store.get(key);
    if (!known) return tracker.forget(key);
    if (!tracker.isSeen(key, cronJobs.store)) return { again_ms: UNSEEN_MS };
    const own = controlledBy(jobs.store, known);
    const cronJob = await upToDate(control, known, own);
    const missing = await missingJobs(control, cronJob, own);
    const plan = planCronJob(cronJob, { jobs: own, missing, localZone }, clock.now());
    const written = await applyCronPlan(control, cronJob, plan);
    if (written !== cronJob) tracker.wrote(key, written);
    const again_ms = nextLook(written, plan.timetable, clock.now());
    return again_ms === undefined ? undefined : { again_ms: Math.min(again_ms, CRON_LOOK_MS) };
  };

  const loop = startLoop(context, {
    queue: "cronjob",
    name: ACCOUNT,
    reads: [cronJobs, jobs],
    reconcile,
  });
  const look = (cronJob: CronJob) => loop.queue.add(keyOf(cronJob));
  cronJobs.handle({
    added: look,
    // Reconciling a deleted object ends the delay until its next start.
    deleted: look,
    updated(cronJob, old) {
      const { schedule, timeZone } = cronJob.spec;
      if (schedule === old.spec.schedule && timeZone === old.spec.timeZone) return look(cronJob);
      // Starts that the new schedule missed before it was written are not made up for.
      const timetable = timetableOf(cronJob, localZone);
      if (isNote(timetable)) return look(cronJob);
      const again_ms = nextLook(cronJob, timetable, clock.now()) ?? CRON_LOOK_MS;
      loop.queue.addAfter(keyOf(cronJob), Math.min(again_ms, CRON_LOOK_MS));
    },
  });
  const lookAtOwner = (job: Job) => {
    const owner = controllerOf(job);
    if (owner?.kind !== CRON_JOB_TYPE.kind) return;
    loop.queue.add(`${job.metadata.namespace ?? ""}/${owner.name}`);
  };
  jobs.handle({ added: lookAtOwner, updated: lookAtOwner, deleted: lookAtOwner });
  return closeAll(loop, recorder);
}

/** The CronJob as the server has it when a running job is not in its list: the list may be old. */
async function upToDate(
  { cronJobs }: CronControl,
  cronJob: CronJob,
  own: readonly Job[],
): Promise<CronJob> {
  const listed = new Set(cronJob.status?.active?.map(({ uid }) => uid));
  const unknown = own.some(
    (job) => finishedCondition(job) === undefined && !listed.has(job.metadata.uid),
  );
  if (!unknown) return cronJob;
  const fresh = await cronJobs.get(nameOf(cronJob));
  return fresh.metadata.uid === cronJob.metadata.uid ? { ...cronJob, ...fresh } : cronJob;
}

/** Active jobs that neither the informer nor the server has. */
async function missingJobs(
  { jobs }: CronControl,
  cronJob: CronJob,
  own: readonly Job[],
): Promise<Set<string>> {
  const missing = new Set<string>();
  const known = new Set(own.map(({ metadata }) => metadata.uid));
  for (const { namespace, name = "", uid = "" } of cronJob.status?.active ?? []) {
    if (known.has(uid)) continue;
    try {
      const job = await jobs.get({ namespace, name });
      if (job.metadata.uid !== uid) missing.add(uid);
    } catch (thrown) {
      if (!isNotFound(thrown)) throw thrown;
      missing.add(uid);
    }
  }
  return missing;
}
