import type { CronJob, Job } from "@raft2kube/api/gen/batch/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { describe, expect, test } from "vitest";
import { jobName, jobOf } from "./job-of.ts";
import { type CronView, nextLook, planCronJob } from "./plan.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const CREATED = "2026-03-01T00:00:30Z";

function cron(spec: Partial<CronJob["spec"]>, status: CronJob["status"] = {}): CronJob {
  return {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { namespace: "ns", name: "c", uid: "c", creationTimestamp: CREATED },
    spec: {
      schedule: "*/5 * * * *",
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
      jobTemplate: { spec: { template: {} } },
      ...spec,
    },
    status,
  };
}

function job(name: string, outcome?: "Complete" | "Failed", start?: string): Job {
  const conditions = outcome ? [{ type: outcome, status: "True" as const }] : [];
  const completed = outcome === "Complete" ? { completionTime: start } : {};
  return {
    metadata: { namespace: "ns", name, uid: name },
    spec: { template: {} },
    status: { conditions, startTime: start, ...completed },
  };
}

const at = (text: string) => Date.parse(text);
const active = (...names: string[]) => names.map((name) => ({ namespace: "ns", name, uid: name }));

function plan(cronJob: CronJob, now: string, view: Partial<CronView> = {}) {
  const all: CronView = { jobs: [], missing: new Set(), localZone: "UTC", ...view };
  const { notes, expired, ...rest } = planCronJob(cronJob, all, at(now));
  const start = rest.start_ms === undefined ? undefined : timeText(rest.start_ms);
  return {
    ...rest,
    start,
    reasons: notes.map(({ reason }) => reason),
    messages: notes.map(({ message }) => message),
    expired: expired.map(({ metadata }) => metadata.name),
  };
}

/** Moves a clock over a period and returns the starts, each of which ends immediately. */
function walk(spec: Partial<CronJob["spec"]>, from: string, to: string, step_ms = MINUTE_MS) {
  const cronJob = cron(spec);
  cronJob.metadata.creationTimestamp = from;
  const view: CronView = { jobs: [], missing: new Set(), localZone: "UTC" };
  const starts: string[] = [];
  for (let now_ms = at(from); now_ms <= at(to); now_ms += step_ms) {
    const { start_ms } = planCronJob(cronJob, view, now_ms);
    if (start_ms === undefined) continue;
    starts.push(timeText(start_ms));
    cronJob.status = { ...cronJob.status, lastScheduleTime: timeText(start_ms) };
  }
  return starts;
}

describe("a start", () => {
  test("is due at its time, not before, and once", () => {
    expect(plan(cron({}), "2026-03-01T00:04:59Z").start).toBe(undefined);
    expect(plan(cron({}), "2026-03-01T00:05:00Z").start).toBe("2026-03-01T00:05:00Z");
    const done = cron({}, { lastScheduleTime: "2026-03-01T00:05:00Z" });
    expect(plan(done, "2026-03-01T00:05:01Z").start).toBe(undefined);
    const running = cron({}, { active: active("c-29538725") });
    const own = { jobs: [job("c-29538725")] };
    expect(jobName(running, at("2026-03-01T00:05:00Z"))).toBe("c-29538725");
    expect(plan(running, "2026-03-01T00:05:01Z", own).start).toBe(undefined);
  });

  test("is the latest of those missed", () => {
    const { start, reasons } = plan(cron({}), "2026-03-01T03:17:00Z");
    expect(start).toBe("2026-03-01T03:15:00Z");
    expect(reasons).toEqual([]);
  });

  test("is one after 400 days, with a warning", () => {
    const now_ms = at(CREATED) + 400 * DAY_MS;
    const { start, reasons, messages } = plan(cron({}), timeText(now_ms));
    expect(start).toBe("2027-04-05T00:00:00Z");
    expect(reasons).toEqual(["TooManyMissedTimes"]);
    expect(messages).toEqual([
      "too many missed start times. Set or decrease " +
        ".spec.startingDeadlineSeconds or check clock skew",
    ]);
    const after = cron({}, { lastScheduleTime: start });
    expect(plan(after, timeText(now_ms)).reasons).toEqual([]);
  });

  test("is without a warning after 400 days when the deadline is short", () => {
    const now_ms = at(CREATED) + 400 * DAY_MS;
    const { start, reasons } = plan(cron({ startingDeadlineSeconds: 600 }), timeText(now_ms));
    expect(start).toBe("2027-04-05T00:00:00Z");
    expect(reasons).toEqual([]);
  });

  test.each([
    ["99 missed", 99 * 5, []],
    ["101 missed", 101 * 5, ["TooManyMissedTimes"]],
  ])("%s", (_, minutes, reasons) => {
    const now = timeText(at("2026-03-01T00:00:00Z") + minutes * MINUTE_MS);
    expect(plan(cron({}), now).reasons).toEqual(reasons);
  });

  test("of a dense part of a sparse schedule is found among many", () => {
    const sparse = cron({ schedule: "* * * 1-11 *" });
    sparse.metadata.creationTimestamp = "2026-11-30T23:58:30Z";
    expect(plan(sparse, "2027-02-20T10:00:30Z").start).toBe("2027-02-20T10:00:00Z");
  });

  test("is not made up for after its deadline", () => {
    const late = cron({ schedule: "0 * * * *", startingDeadlineSeconds: 10 });
    late.status = { lastScheduleTime: "2026-03-01T00:00:00Z" };
    expect(plan(late, "2026-03-01T01:00:09Z").start).toBe("2026-03-01T01:00:00Z");
    const { start, reasons } = plan(late, "2026-03-01T01:00:10Z");
    expect([start, reasons]).toEqual([undefined, []]);
  });

  test("is not due while suspended or deleted", () => {
    expect(plan(cron({ suspend: true }), "2026-03-01T00:05:00Z").start).toBe(undefined);
    const leaving = cron({});
    leaving.metadata.deletionTimestamp = CREATED;
    expect(plan(leaving, "2026-03-01T00:05:00Z").start).toBe(undefined);
  });

  test.each([
    [{ schedule: "TZ=UTC 0 * * * *" }, "UnparseableSchedule"],
    [{ schedule: "0 0 31 2 *" }, "InvalidSchedule"],
    [{ timeZone: "Mars/Phobos" }, "UnknownTimeZone"],
  ])("never comes by %j, which is recorded", (spec, reason) => {
    const { start, reasons } = plan(cron(spec), "2026-03-01T00:05:00Z");
    expect([start, reasons]).toEqual([undefined, [reason]]);
  });
});

describe("over changes of the clocks", () => {
  const berlin = { schedule: "30 2 * * *", timeZone: "Europe/Berlin" };
  test("an hour that is skipped has no start", () => {
    expect(walk(berlin, "2026-03-27T12:00:00Z", "2026-03-30T12:00:00Z")).toEqual([
      "2026-03-28T01:30:00Z",
      "2026-03-30T00:30:00Z",
    ]);
  });

  test("an hour that is repeated has its start twice", () => {
    expect(walk(berlin, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z")).toEqual([
      "2026-10-25T00:30:00Z",
      "2026-10-25T01:30:00Z",
      "2026-10-26T01:30:00Z",
    ]);
  });

  test("a day of 30 minutes more keeps its start, which upstream's library loses", () => {
    const lordHowe = { schedule: "0 0 * * *", timeZone: "Australia/Lord_Howe" };
    expect(walk(lordHowe, "2026-04-04T00:00:00Z", "2026-04-06T14:00:00Z")).toEqual([
      "2026-04-04T13:00:00Z",
      "2026-04-05T13:30:00Z",
      "2026-04-06T13:30:00Z",
    ]);
  });

  test("each hour has one start, however often it is looked at", () => {
    const hourly = { schedule: "@hourly", timeZone: "America/New_York" };
    const starts = walk(hourly, "2026-03-01T00:30:00Z", "2026-03-15T00:29:00Z", 20 * MINUTE_MS);
    expect(new Set(starts).size).toBe(starts.length);
    expect(starts).toHaveLength(14 * 24);
  });
});

describe("the concurrency policy", () => {
  const now = "2026-03-01T00:10:00Z";
  const running = { active: active("c-1") };
  const view = { jobs: [job("c-1")] };
  test("Allow starts beside what runs", () => {
    const { start, replaced } = plan(cron({}, running), now, view);
    expect([start, replaced]).toEqual([now, []]);
  });
  test("Forbid does not", () => {
    const { start, reasons } = plan(cron({ concurrencyPolicy: "Forbid" }, running), now, view);
    expect([start, reasons]).toEqual([undefined, ["JobAlreadyActive"]]);
  });
  test("Replace removes what runs", () => {
    const replacing = cron({ concurrencyPolicy: "Replace" }, running);
    const { start, replaced } = plan(replacing, now, view);
    expect([start, replaced]).toEqual([now, running.active]);
  });
});

describe("the jobs", () => {
  const idle = { suspend: true };
  const hour = (hours: number) => timeText(at(CREATED) + hours * HOUR_MS);

  test("that finished leave the list, and the latest success is remembered", () => {
    const cronJob = cron(idle, { active: active("a", "b", "d") });
    const jobs = [job("a", "Complete", hour(2)), job("b", "Failed", hour(1)), job("d")];
    const { status, messages } = plan(cronJob, hour(3), { jobs });
    expect(status.active).toEqual(active("d"));
    expect(status.lastSuccessfulTime).toBe(hour(2));
    expect(messages).toEqual([
      "Saw completed job: a, condition: Complete",
      "Saw completed job: b, condition: Failed",
    ]);
    const older = cron(idle, { lastSuccessfulTime: hour(2) });
    const { status: kept } = plan(older, hour(3), { jobs: [job("e", "Complete", hour(1))] });
    expect(kept.lastSuccessfulTime).toBe(hour(2));
  });

  test("that are gone leave it too", () => {
    const cronJob = cron(idle, { active: active("a", "b") });
    const { status, reasons } = plan(cronJob, hour(1), { missing: new Set(["b"]) });
    expect([status.active, reasons]).toEqual([active("a"), ["MissingJob"]]);
  });

  test("are looked up in the list, which is not read again for each", () => {
    const names = Array.from({ length: 100 }, (_, n) => `j${n}`);
    let reads = 0;
    const counted = active(...names).map(({ uid, ...rest }) => {
      const read = () => {
        reads++;
        return uid;
      };
      return Object.defineProperty(rest, "uid", { get: read });
    });
    const jobs = names.slice(0, 50).map((name) => job(name, "Failed", hour(1)));
    const view = { jobs, missing: new Set(names.slice(50)) };
    const { status } = plan(cron(idle, { active: counted }), hour(2), view);
    expect(status.active).toEqual([]);
    expect(reads).toBeLessThan(5 * names.length);
  });

  test("that another client created are reported", () => {
    const { reasons, status } = plan(cron(idle), hour(1), { jobs: [job("by-hand")] });
    expect([reasons, status.active]).toEqual([["UnexpectedJob"], []]);
  });

  test("beyond the limits are removed, the oldest first", () => {
    const jobs = [5, 1, 4, 2, 3].map((n) => job(`ok-${n}`, "Complete", hour(n)));
    const failed = [1, 2].map((n) => job(`bad-${n}`, "Failed", hour(n)));
    const view = { jobs: [...jobs, ...failed, job("runs")] };
    const limits = { ...idle, successfulJobsHistoryLimit: 2 };
    expect(plan(cron(limits), hour(9), view).expired).toEqual(["ok-1", "ok-2", "ok-3", "bad-1"]);
    const none = { ...idle, successfulJobsHistoryLimit: 0, failedJobsHistoryLimit: 0 };
    expect(plan(cron(none), hour(9), view).expired).toHaveLength(7);
  });

  test("carry their start in name and annotation, in the zone", () => {
    const zoned = cron({ timeZone: "America/St_Johns" });
    zoned.spec.jobTemplate.metadata = { labels: { app: "x" }, annotations: { note: "y" } };
    const { metadata } = jobOf(zoned, at("2026-07-01T12:00:00Z"));
    expect(metadata).toMatchObject({
      namespace: "ns",
      name: "c-29715120",
      labels: { app: "x" },
      annotations: {
        note: "y",
        "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-07-01T09:30:00-02:30",
      },
      ownerReferences: [{ kind: "CronJob", uid: "c", controller: true, blockOwnerDeletion: true }],
    });
  });
});

test("the next look is just after the next start", () => {
  const now = at("2026-03-01T00:05:00Z");
  const cronJob = cron({}, { lastScheduleTime: "2026-03-01T00:05:00Z" });
  const { timetable } = plan(cronJob, timeText(now));
  expect(nextLook(cronJob, timetable, now)).toBe(5 * MINUTE_MS + 100);
  expect(nextLook(cronJob, undefined, now)).toBe(undefined);
});
