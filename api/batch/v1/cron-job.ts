/** CronJob: a Job made again and again by a timetable. */

import { defaultTemplate, selectorColumn, templateColumns } from "../../apps/v1/workload.ts";
import { age, ageColumn, column, NONE, nameColumn, UNSET } from "../../columns.ts";
import { nameWarnings, templateWarnings } from "../../core/v1/pod/warnings.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid, notSupported, required } from "../../errors.ts";
import type { CronJob } from "../../gen/batch/v1.ts";
import type { Kind } from "../../kind.ts";
import { oneOf } from "../../validation/checks.ts";
import { nonNegative } from "../../validation/metadata.ts";
import { dnsSubdomain } from "../../validation/names.ts";
import { defaultFailurePolicy, validateJobSpec } from "./job.ts";
import { isTimeZone } from "./next-start.ts";
import { parseSchedule } from "./schedule.ts";

const POLICIES = ["Allow", "Forbid", "Replace"];
const NAME_MAX = 52;
const ZONE_PART = /^(?!-)(?!\.{1,2}$)[A-Za-z._\-0-9+]{1,14}$/;

function validateSchedule(schedule: string, old: string | undefined): FieldError[] {
  const path = "spec.schedule";
  if (schedule === "") return [required(path)];
  const errors: FieldError[] = [];
  // A schedule with a time zone is not parsed: it is an error already.
  const tz = schedule.includes("TZ");
  const read = tz ? undefined : parseSchedule(schedule);
  if (typeof read === "string") errors.push(invalid(path, schedule, read));
  if (tz && old?.includes("TZ") !== true) {
    const rule = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
    errors.push(invalid(path, schedule, rule));
  }
  return errors;
}

/** An IANA name; its letters' case is not checked (docs/DIVERGENCE.md). */
function validateTimeZone(zone: string | undefined): FieldError[] {
  const path = "spec.timeZone";
  if (zone === undefined) return [];
  if (zone === "") return [invalid(path, zone, "timeZone must be nil or non-empty string")];
  const unknown = invalid(path, zone, `unknown time zone ${zone}`);
  if (!zone.split("/").every((part) => ZONE_PART.test(part))) return [unknown];
  const errors: FieldError[] = [];
  if (zone.toLowerCase() === "local") {
    const rule =
      "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
    errors.push(invalid(path, zone, rule));
  }
  // An offset such as `+01:00` is no name, though Intl takes it.
  if (zone !== "Local" && (/^[+-]/.test(zone) || !isTimeZone(zone))) errors.push(unknown);
  return errors;
}

function validateJobTemplate({ spec }: CronJob["spec"]["jobTemplate"]): FieldError[] {
  const path = "spec.jobTemplate.spec";
  const errors = validateJobSpec(spec ?? { template: {} }, path);
  if (spec?.selector !== undefined) {
    errors.push(invalid(`${path}.selector`, spec.selector, "`selector` will be auto-generated"));
  }
  if (spec?.manualSelector === true) {
    errors.push(notSupported(`${path}.manualSelector`, spec.manualSelector, ["nil", "false"]));
  }
  return errors;
}

function validateSpec({ spec }: CronJob, old?: CronJob): FieldError[] {
  const errors = validateSchedule(spec.schedule, old?.spec.schedule);
  errors.push(...nonNegative("spec.startingDeadlineSeconds", spec.startingDeadlineSeconds));
  if (spec.timeZone !== old?.spec.timeZone) errors.push(...validateTimeZone(spec.timeZone));
  const policy = spec.concurrencyPolicy ?? "";
  errors.push(...oneOf(policy, POLICIES, "spec.concurrencyPolicy"));
  errors.push(...validateJobTemplate(spec.jobTemplate));
  for (const name of ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] as const) {
    errors.push(...nonNegative(`spec.${name}`, spec[name]));
  }
  return errors;
}

/** Jobs are named by their CronJob and eleven more characters; longer stored names pass. */
function validateName({ metadata }: CronJob): FieldError[] {
  return (metadata.name ?? "").length <= NAME_MAX
    ? []
    : [invalid("metadata.name", metadata.name, `must be no more than ${NAME_MAX} characters`)];
}

export const cronJob: Kind<CronJob> = defineKind<CronJob>("batch/v1.CronJob", {
  nameRule: dnsSubdomain,
  generation: "spec",
  warnings: (object, old) => [
    ...nameWarnings(object, old),
    ...templateWarnings(object.spec.jobTemplate.spec?.template, "spec.jobTemplate.spec.template"),
  ],
  defaults({ spec }) {
    spec.concurrencyPolicy ||= "Allow";
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    spec.jobTemplate.spec ??= { template: {} };
    defaultTemplate(spec.jobTemplate.spec.template);
    defaultFailurePolicy(spec.jobTemplate.spec);
  },
  validateCreate: (object) => [...validateSpec(object), ...validateName(object)],
  validateUpdate: validateSpec,
  columns: [
    nameColumn,
    column("Schedule", (object) => object.spec.schedule),
    column("Timezone", (object) => object.spec.timeZone ?? NONE),
    column(
      "Suspend",
      (object) =>
        object.spec.suspend === undefined ? UNSET : object.spec.suspend ? "True" : "False",
      { type: "boolean" },
    ),
    column("Active", (object) => (object.status?.active ?? []).length, { type: "integer" }),
    column("Last Schedule", (object, now_ms) =>
      object.status?.lastScheduleTime === undefined
        ? NONE
        : age(object.status.lastScheduleTime, now_ms),
    ),
    ageColumn,
    ...templateColumns<CronJob>((object) => object.spec.jobTemplate.spec?.template),
    selectorColumn<CronJob>((object) => object.spec.jobTemplate.spec?.selector),
  ],
});
