import type { CronJob, Job } from "@raft2kube/api/gen/batch/v1.ts";
import type { Event } from "@raft2kube/api/gen/core/v1.ts";
import { isConflict } from "@raft2kube/client-kube/errors.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import { CRON_JOBS, EVENTS, JOBS } from "@raft2kube/client-kube/rest/resources.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { expect, it } from "vitest";
import type { World } from "./world.ts";

const namespace = "default";
const DAY_MS = 86_400_000;
const TIMEOUT_MS = 60_000;

/** The rules of every cronjob controller; time is moved by the last start that the status names. */
export function cronRules(world: () => Pick<World, "clock" | "admin">): void {
  const trial = new CronTrial(world);

  it("starts once for all that was missed in 400 days, and warns", async () => {
    const { hourly, last_ms } = trial.hourly();
    await trial.create("years", { schedule: hourly, suspend: true });
    await trial.write("years", ({ status }) => ({
      status: { ...status, lastScheduleTime: timeText(last_ms - 400 * DAY_MS) },
    }));
    await trial.patch("years", { suspend: false });
    const [job] = await trial.jobsOf("years", 1);
    const scheduled = timeText(last_ms);
    expect(job?.metadata).toMatchObject({
      name: `years-${last_ms / 60_000}`,
      labels: { app: "years" },
      annotations: { "batch.kubernetes.io/cronjob-scheduled-timestamp": scheduled },
      ownerReferences: [{ apiVersion: "batch/v1", kind: "CronJob", controller: true }],
    });
    await trial.status("years", (status) =>
      status?.lastScheduleTime === scheduled && status.active?.[0]?.uid === job?.metadata.uid);
    await trial.event("years", "SuccessfulCreate", `Created job ${job?.metadata.name}`);
    await trial.event("years", "TooManyMissedTimes", "too many missed start times. Set or " +
      "decrease .spec.startingDeadlineSeconds or check clock skew");
    expect(await trial.jobsOf("years", 1)).toHaveLength(1);
  });

  it("sees a job completed, and remembers when", async () => {
    const [job] = await trial.jobsOf("years", 1);
    const completed = await trial.finish(job!, "Complete");
    await trial.status("years", (status) =>
      status?.lastSuccessfulTime === completed && (status.active ?? []).length === 0);
    const message = `Saw completed job: ${job?.metadata.name}, condition: Complete`;
    await trial.event("years", "SawCompletedJob", message);
  });

  it("keeps the newest finished jobs, up to its history limits", async () => {
    const { hourly } = trial.hourly();
    const limits = { successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 1 };
    await trial.create("history", { schedule: hourly, ...limits });
    for (const [name, outcome] of [
      ["old-good", "Complete"], ["old-bad", "Failed"], ["new-good", "Complete"],
      ["new-bad", "Failed"],
    ] as const) {
      const job = await trial.makeFrom("history", name);
      await trial.finish(job, outcome, name.startsWith("old") ? DAY_MS : 0);
    }
    await trial.until("the old ones are gone", async () => {
      const names = (await trial.jobs("history")).map(({ metadata }) => metadata.name);
      return names.sort().join() === "new-bad,new-good";
    });
    await trial.event("history", "SuccessfulDelete", "Deleted job old-good");
  });

  concurrencyRules(trial);
}

function concurrencyRules(trial: CronTrial): void {
  it("does not start beside a running job when it forbids that", async () => {
    await trial.startTwice("forbids", "Forbid");
    await trial.event("forbids", "JobAlreadyActive", "Not starting job because prior execution " +
      "is running and concurrency policy is Forbid");
    expect(await trial.jobs("forbids")).toHaveLength(1);
  });

  it("removes a running job for the next when it replaces", async () => {
    const { uid } = await trial.startTwice("replaces", "Replace");
    await trial.until("another job", async () => {
      const jobs = await trial.jobs("replaces");
      return jobs.length === 1 && jobs[0]?.metadata.uid !== uid;
    });
  });

  it("makes no job when it has no start to make up for, or is suspended", async () => {
    const { hourly, last_ms } = trial.hourly();
    await trial.create("idle", { schedule: hourly });
    await trial.create("sleeps", { schedule: hourly, suspend: true });
    await trial.write("sleeps", ({ status }) => ({
      status: { ...status, lastScheduleTime: timeText(last_ms - DAY_MS) },
    }));
    // A third one, which comes after them in every queue, says that they were looked at.
    await trial.create("starts", { schedule: hourly, suspend: true });
    await trial.write("starts", ({ status }) => ({
      status: { ...status, lastScheduleTime: timeText(last_ms - DAY_MS) },
    }));
    await trial.patch("starts", { suspend: false });
    await trial.jobsOf("starts", 1);
    expect(await trial.jobs("idle")).toEqual([]);
    expect(await trial.jobs("sleeps")).toEqual([]);
  });
}

class CronTrial {
  readonly #world: () => Pick<World, "clock" | "admin">;

  constructor(world: () => Pick<World, "clock" | "admin">) {
    this.#world = world;
  }

  get #cronJobs() {
    return this.#world().admin.resource<CronJob>(CRON_JOBS);
  }

  get #jobs() {
    return this.#world().admin.resource<Job>(JOBS);
  }

  until(what: string, holds: () => Promise<boolean>): Promise<unknown> {
    return waitFor(what, holds, { clock: this.#world().clock, timeout_ms: TIMEOUT_MS });
  }

  /** An hourly schedule whose last start was half an hour ago, and that start. */
  hourly(): { hourly: string; last_ms: number } {
    const half_ms = 30 * 60_000;
    const last_ms = Math.floor((this.#world().clock.now() - half_ms) / 60_000) * 60_000;
    return { hourly: `${new Date(last_ms).getUTCMinutes()} * * * *`, last_ms };
  }

  /** A CronJob in UTC whose jobs no controller runs. */
  create(name: string, spec: Partial<CronJob["spec"]>): Promise<CronJob> {
    const template = { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "c" }] } };
    return this.#cronJobs.create({
      metadata: { namespace, name },
      spec: {
        timeZone: "UTC",
        schedule: "",
        jobTemplate: {
          metadata: { labels: { app: name } },
          spec: { template, managedBy: "example.com/nobody" } as Job["spec"],
        },
        ...spec,
      },
    });
  }

  patch(name: string, spec: Partial<CronJob["spec"]>): Promise<CronJob> {
    return this.#cronJobs.patch({ namespace, name }, "merge", { spec });
  }

  /** Writes a status over what the controller wrote meanwhile. */
  async write(name: string, change: (cronJob: CronJob) => Partial<CronJob>): Promise<void> {
    await this.until(`the status of ${name}`, async () => {
      const cronJob = await this.#cronJobs.get({ namespace, name });
      try {
        await this.#cronJobs.updateStatus({ ...cronJob, ...change(cronJob) });
        return true;
      } catch (thrown) {
        if (!isConflict(thrown)) throw thrown;
        return false;
      }
    });
  }

  async status(name: string, holds: (status: CronJob["status"]) => boolean): Promise<void> {
    await this.until(`the status of ${name} to hold`, async () =>
      holds((await this.#cronJobs.get({ namespace, name })).status));
  }

  async jobs(owner: string): Promise<Job[]> {
    const { items } = await this.#jobs.list({ namespace });
    return items.filter((job) => controllerOf(job)?.name === owner);
  }

  async jobsOf(owner: string, count: number): Promise<Job[]> {
    await this.until(`${count} jobs of ${owner}`, async () =>
      (await this.jobs(owner)).length >= count);
    return this.jobs(owner);
  }

  /** A job as `kubectl create job --from` makes it. */
  async makeFrom(name: string, jobName: string): Promise<Job> {
    const { metadata, spec } = await this.#cronJobs.get({ namespace, name });
    const owner = {
      apiVersion: "batch/v1", kind: "CronJob", name, uid: metadata.uid ?? "", controller: true,
    };
    return this.#jobs.create({
      metadata: {
        namespace, name: jobName, ownerReferences: [owner],
        annotations: { "cronjob.kubernetes.io/instantiate": "manual" },
      },
      spec: spec.jobTemplate.spec!,
    });
  }

  /** Ends a job that began `ago_ms` ago; gives the time of its end. */
  async finish(job: Job, outcome: "Complete" | "Failed", ago_ms = 0): Promise<string> {
    const time = timeText(this.#world().clock.now() - ago_ms);
    const before = outcome === "Complete" ? "SuccessCriteriaMet" : "FailureTarget";
    const conditions = [before, outcome].map((type) =>
      ({ type, status: "True", lastTransitionTime: time, lastProbeTime: time }));
    const end = outcome === "Complete" ? { completionTime: time } : {};
    const status = { ...job.status, startTime: time, conditions, ...end };
    await this.#jobs.updateStatus({ ...job, status });
    return time;
  }

  /** Lets a CronJob start, and again while its job runs; gives the first job's metadata. */
  async startTwice(name: string, concurrencyPolicy: "Forbid" | "Replace") {
    const { hourly, last_ms } = this.hourly();
    await this.create(name, { schedule: hourly, suspend: true, concurrencyPolicy });
    const setBack = (days: number) => this.write(name, ({ status }) => ({
      status: { ...status, lastScheduleTime: timeText(last_ms - days * DAY_MS) },
    }));
    await setBack(1);
    await this.patch(name, { suspend: false });
    const [job] = await this.jobsOf(name, 1);
    await this.status(name, (status) => status?.active?.length === 1);
    // The same start again under another name: another minute of the hour.
    const minute = (new Date(last_ms).getUTCMinutes() + 59) % 60;
    await this.patch(name, { suspend: true, schedule: `${minute} * * * *` });
    await setBack(2);
    await this.patch(name, { suspend: false });
    return job!.metadata;
  }

  async event(name: string, reason: string, message: string): Promise<void> {
    const fieldSelector = `involvedObject.name=${name},reason=${reason}`;
    await this.until(`${reason} of ${name}`, async () => {
      const { items } = await this.#world().admin.resource<Event>(EVENTS)
        .list({ namespace, fieldSelector });
      return items.some((event) => event.message === message);
    });
  }
}
