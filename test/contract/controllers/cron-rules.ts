import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { MS_PER_DAY } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { CronTrial } from "./cron-trial.ts";
import type { World } from "./world.ts";

/** The rules of every cronjob controller; time is moved by the last start that the status names. */
export function cronRules(world: () => Pick<World, "clock" | "admin">): void {
  const trial = new CronTrial(world);

  it("starts once for all that was missed in 400 days, and warns", async () => {
    const last_ms = await trial.startOnce("years", 400);
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
      await trial.finish(job, outcome, name.startsWith("old") ? MS_PER_DAY : 0);
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
      status: { ...status, lastScheduleTime: timeText(last_ms - MS_PER_DAY) },
    }));
    // A third one, which comes after them in every queue, says that they were looked at.
    await trial.startOnce("starts", 1);
    await trial.jobsOf("starts", 1);
    expect(await trial.jobs("idle")).toEqual([]);
    expect(await trial.jobs("sleeps")).toEqual([]);
  });
}
