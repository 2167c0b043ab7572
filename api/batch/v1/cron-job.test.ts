import { describe, expect, it } from "vitest";
import { decodeJson } from "../../codec/json.ts";
import { messageOfField } from "../../errors.ts";
import type { CronJob } from "../../gen/batch/v1.ts";
import { cronJob } from "./cron-job.ts";

const CONTEXT = { now_ms: 0 };

function made(spec: object, name = "nightly"): CronJob {
  const template = { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "c:1" }] } };
  const { object } = decodeJson<CronJob>("batch/v1.CronJob", {
    metadata: { name, namespace: "default", resourceVersion: "1" },
    spec: { schedule: "0 4 * * *", jobTemplate: { spec: { template } }, ...spec },
  });
  cronJob.strategy.defaults(object);
  cronJob.strategy.prepareCreate(object, CONTEXT);
  return object;
}

function complaints(spec: object, name?: string): string {
  return cronJob.strategy.validateCreate(made(spec, name), CONTEXT).map(messageOfField).join("\n");
}

describe("a CronJob", () => {
  it("is filled as upstream fills it", () => {
    expect(made({}).spec).toMatchObject({
      concurrencyPolicy: "Allow",
      suspend: false,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
    });
  });

  it.each([
    "* * * * *",
    "@hourly",
    "@every 90m",
    "0 0 13 * 5",
    "*/15 9-17 * JAN mon-FRI",
    "0 0 31 2 *",
  ])("starts by the schedule %j", (schedule) => expect(complaints({ schedule })).toBe(""));

  const inSchedule = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
  it.each([
    ["* * * * 7", "end of range (7) above maximum (6): 7"],
    ["* * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]"],
    ["@reboot", "unrecognized descriptor: @reboot"],
    ["TZ=UTC 0 4 * * *", inSchedule],
    ["CRON_TZ=Europe/Berlin 0 4 * * *", inSchedule],
  ])("is refused with the schedule %j", (schedule, why) => {
    expect(complaints({ schedule })).toBe(
      `spec.schedule: Invalid value: ${JSON.stringify(schedule)}: ${why}`,
    );
  });

  it.each(["Europe/Berlin", "UTC", "Etc/GMT+5", "America/Argentina/Buenos_Aires"])(
    "may be in the time zone %s",
    (timeZone) => expect(complaints({ timeZone })).toBe(""),
  );

  const explicit =
    "timeZone must be an explicit time zone as defined in " + "https://www.iana.org/time-zones";
  it.each([
    ["", "timeZone must be nil or non-empty string"],
    ["Mars/Phobos", "unknown time zone Mars/Phobos"],
    ["+01:00", "unknown time zone +01:00"],
    ["../Berlin", "unknown time zone ../Berlin"],
    ["Local", explicit],
  ])("is refused in the time zone %j", (timeZone, why) => {
    expect(complaints({ timeZone })).toBe(
      `spec.timeZone: Invalid value: ${JSON.stringify(timeZone)}: ${why}`,
    );
  });

  it("keeps what it has: a schedule with TZ, an unknown zone, a long name", () => {
    const old = made({ schedule: "TZ=UTC 0 4 * * *", timeZone: "Mars/Phobos" }, "n".repeat(60));
    const next = structuredClone(old);
    next.spec.suspend = true;
    expect(cronJob.strategy.validateUpdate(next, old, CONTEXT).map(messageOfField)).toEqual([]);
    expect(complaints({}, "n".repeat(53))).toContain("must be no more than 52 characters");
  });
});
