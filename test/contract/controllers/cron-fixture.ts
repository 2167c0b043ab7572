import type { CronJob, Job } from "@raft2kube/api/gen/batch/v1.ts";
import { isConflict } from "@raft2kube/client-kube/errors.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { CRON_JOBS, EVENTS, JOBS } from "@raft2kube/client-kube/rest/resources.ts";
import { MS_PER_DAY } from "@raft2kube/std/clock.ts";
import { waitFor } from "../../../testing/wait.ts";
import type { ControlPlane } from "./control-plane.ts";

const namespace = "default";
const TIMEOUT_MS = 60_000;

/** CronJobs whose time is moved by the last start that their statuses name. */
export class CronFixture {
  readonly #plane: () => Pick<ControlPlane, "clock" | "admin">;

  constructor(plane: () => Pick<ControlPlane, "clock" | "admin">) {
    this.#plane = plane;
  }

  get #cronJobs() {
    return this.#plane().admin.resource(CRON_JOBS);
  }

  get jobClient() {
    return this.#plane().admin.resource(JOBS);
  }

  until(what: string, holds: () => Promise<boolean>): Promise<unknown> {
    return waitFor(what, holds, { timeout_ms: TIMEOUT_MS });
  }

  /** An hourly schedule whose last start was half an hour ago, and that start. */
  hourly(): { hourly: string; last_ms: number } {
    const half_ms = 30 * 60_000;
    const last_ms = Math.floor((this.#plane().clock.now() - half_ms) / 60_000) * 60_000;
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
      holds((await this.#cronJobs.get({ namespace, name })).status),
    );
  }

  async jobs(owner: string): Promise<Job[]> {
    const { items } = await this.jobClient.list({ namespace });
    return items.filter((job) => controllerOf(job)?.name === owner);
  }

  async jobsOf(owner: string, count: number): Promise<Job[]> {
    await this.until(
      `${count} jobs of ${owner}`,
      async () => (await this.jobs(owner)).length >= count,
    );
    return this.jobs(owner);
  }

  /** A job as `kubectl create job --from` makes it. */
  async makeFrom(name: string, jobName: string): Promise<Job> {
    const { metadata, spec } = await this.#cronJobs.get({ namespace, name });
    const owner = {
      apiVersion: "batch/v1",
      kind: "CronJob",
      name,
      uid: metadata.uid ?? "",
      controller: true,
    };
    return this.jobClient.create({
      metadata: {
        namespace,
        name: jobName,
        ownerReferences: [owner],
        annotations: { "cronjob.kubernetes.io/instantiate": "manual" },
      },
      spec: spec.jobTemplate.spec!,
    });
  }

  /** Ends a job that started `ago_ms` ago; gives the time of its end. */
  async finish(job: Job, outcome: "Complete" | "Failed", ago_ms = 0): Promise<string> {
    const time = timeText(this.#plane().clock.now() - ago_ms);
    const before = outcome === "Complete" ? "SuccessCriteriaMet" : "FailureTarget";
    const conditions = [before, outcome].map((type) => ({
      type,
      status: "True",
      lastTransitionTime: time,
      lastProbeTime: time,
    }));
    const end = outcome === "Complete" ? { completionTime: time } : {};
    const status = { ...job.status, startTime: time, conditions, ...end };
    await this.jobClient.updateStatus({ ...job, status });
    return time;
  }

  /**
   * Makes an hourly CronJob whose last start was so many days before the one that is due; gives the
   * one that is due.
   */
  async startOnce(
    name: string,
    days: number,
    spec: Partial<CronJob["spec"]> = {},
  ): Promise<number> {
    const { hourly, last_ms } = this.hourly();
    await this.create(name, { schedule: hourly, suspend: true, ...spec });
    await this.#resume(name, last_ms - days * MS_PER_DAY);
    return last_ms;
  }

  /** Lets a suspended CronJob go on as if its last start had been at a time. */
  async #resume(name: string, last_ms: number): Promise<void> {
    await this.write(name, ({ status }) => ({
      status: { ...status, lastScheduleTime: timeText(last_ms) },
    }));
    await this.patch(name, { suspend: false });
  }

  /** Lets a CronJob start, and again while its job runs; gives the first job's metadata. */
  async startTwice(
    name: string,
    concurrencyPolicy: NonNullable<CronJob["spec"]["concurrencyPolicy"]>,
  ) {
    const last_ms = await this.startOnce(name, 1, { concurrencyPolicy });
    const [job] = await this.jobsOf(name, 1);
    await this.status(name, (status) => status?.active?.length === 1);
    // The same start again under another name: another minute of the hour.
    const minute = (new Date(last_ms).getUTCMinutes() + 59) % 60;
    await this.patch(name, { suspend: true, schedule: `${minute} * * * *` });
    await this.#resume(name, last_ms - 2 * MS_PER_DAY);
    return job!.metadata;
  }

  async event(name: string, reason: string, message: string): Promise<void> {
    const fieldSelector = `involvedObject.name=${name},reason=${reason}`;
    await this.until(`${reason} of ${name}`, async () => {
      const { items } = await this.#plane()
        .admin.resource(EVENTS)
        .list({ namespace, fieldSelector });
      return items.some((event) => event.message === message);
    });
  }
}
