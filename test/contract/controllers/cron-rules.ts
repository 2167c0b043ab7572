import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { MS_PER_DAY } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import type { ControlPlane } from "./control-plane.ts";
import { CronFixture } from "./cron-fixture.ts";

/** The rules of every cronjob controller; time is moved by the last start that the status names. */
export function cronRules(plane: () => Pick<ControlPlane, "clock" | "admin">): void {
  const fixture = new CronFixture(plane);

  it("starts once for all that was missed in 400 days, and warns", async () => {
    const last_ms = await fixture.startOnce("years", 400);
    const [job] = await fixture.jobsOf("years", 1);
    const scheduled = timeText(last_ms);
    expect(job?.metadata).toMatchObject({
      name: `years-${last_ms / 60_000}`,
      labels: { app: "years" },
      annotations: { "batch.kubernetes.io/cronjob-scheduled-timestamp": scheduled },
      ownerReferences: [{ apiVersion: "batch/v1", kind: "CronJob", controller: true }],
    });
    await fixture.status(
      "years",
      (status) =>
        status?.lastScheduleTime === scheduled && status.active?.[0]?.uid === job?.metadata.uid,
    );
    await fixture.event("years", "SuccessfulCreate", `Created job ${job?.metadata.name}`);
    await fixture.event(
      "years",
      "TooManyMissedTimes",
      "too many missed start times. Set or " +
        "decrease .spec.startingDeadlineSeconds or check clock skew",
    );
    expect(await fixture.jobsOf("years", 1)).toHaveLength(1);
  });

  it("sees a job completed, and remembers when", async () => {
    const [job] = await fixture.jobsOf("years", 1);
    const completed = await fixture.finish(job!, "Complete");
    await fixture.status(
      "years",
      (status) => status?.lastSuccessfulTime === completed && (status.active ?? []).length === 0,
    );
    const message = `Saw completed job: ${job?.metadata.name}, condition: Complete`;
    await fixture.event("years", "SawCompletedJob", message);
  });

  it("keeps the newest finished jobs, up to its history limits", async () => {
    const { hourly } = fixture.hourly();
    const limits = { successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 1 };
    await fixture.create("history", { schedule: hourly, ...limits });
    for (const [name, outcome] of [
      ["old-good", "Complete"],
      ["old-bad", "Failed"],
      ["new-good", "Complete"],
      ["new-bad", "Failed"],
    ] as const) {
      const job = await fixture.makeFrom("history", name);
      await fixture.finish(job, outcome, name.startsWith("old") ? MS_PER_DAY : 0);
    }
    await fixture.until("the old ones are gone", async () => {
      const names = (await fixture.jobs("history")).map(({ metadata }) => metadata.name);
      return names.sort().join() === "new-bad,new-good";
    });
    await fixture.event("history", "SuccessfulDelete", "Deleted job old-good");
  });

  concurrencyRules(fixture);
}

function concurrencyRules(fixture: CronFixture): void {
  it("does not start beside a running job when it forbids that", async () => {
    await fixture.startTwice("forbids", "Forbid");
    await fixture.event(
      "forbids",
      "JobAlreadyActive",
      "Not starting job because prior execution " + "is running and concurrency policy is Forbid",
    );
    expect(await fixture.jobs("forbids")).toHaveLength(1);
  });

  it("removes a running job for the next when it replaces", async () => {
    const { uid } = await fixture.startTwice("replaces", "Replace");
    await fixture.until("another job", async () => {
      const jobs = await fixture.jobs("replaces");
      return jobs.length === 1 && jobs[0]?.metadata.uid !== uid;
    });
  });

  it("makes no job when it has no start to make up for, or is suspended", async () => {
    const { hourly, last_ms } = fixture.hourly();
    await fixture.create("idle", { schedule: hourly });
    await fixture.create("sleeps", { schedule: hourly, suspend: true });
    await fixture.write("sleeps", ({ status }) => ({
      status: { ...status, lastScheduleTime: timeText(last_ms - MS_PER_DAY) },
    }));
    // A third one, which comes after them in every queue, says that they were looked at.
    await fixture.startOnce("starts", 1);
    await fixture.jobsOf("starts", 1);
    expect(await fixture.jobs("idle")).toEqual([]);
    expect(await fixture.jobs("sleeps")).toEqual([]);
  });
}
