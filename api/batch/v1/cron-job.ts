/** CronJob: a Job made again and again by a timetable. */
import type { CronJob } from "../../gen/batch/v1.ts";
import { defaultTemplate, selectorColumn, templateColumns } from "../../apps/v1/workload.ts";
import { age, ageColumn, column, nameColumn, NONE, UNSET } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { invalid, notSupported, required, type FieldError } from "../../errors.ts";
import type { Kind } from "../../kind.ts";
import { nonNegative } from "../../validation/metadata.ts";
import { dnsSubdomain } from "../../validation/names.ts";
import { validateJobSpec } from "./job.ts";
import { templateWarnings } from "../../core/v1/pod/warnings.ts";

const POLICIES = ["Allow", "Forbid", "Replace"];
const MAX_NAME = 52;
const FIELD = /^[0-9*?/,\-A-Za-z]+$/;
const MACRO = /^@(yearly|annually|monthly|weekly|daily|midnight|hourly|every \S+)$/;

/** Five fields, or one of the words that stand for them. */
function validateSchedule(schedule: string): FieldError[] {
  if (schedule === "") return [required("spec.schedule")];
  if (schedule.includes("TZ")) {
    return [invalid("spec.schedule", schedule,
      "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")];
  }
  if (MACRO.test(schedule)) return [];
  const fields = schedule.trim().split(/\s+/);
  if (fields.length !== 5) {
    return [invalid("spec.schedule", schedule,
      `expected exactly 5 fields, found ${fields.length}: [${fields.join(" ")}]`)];
  }
  const wrong = fields.find((each) => !FIELD.test(each));
  return wrong === undefined ? []
    : [invalid("spec.schedule", schedule, `failed to parse int from ${wrong}`)];
}

function validate({ metadata, spec }: CronJob): FieldError[] {
  const errors = validateSchedule(spec.schedule);
  if ((metadata.name ?? "").length > MAX_NAME) {
    errors.push(invalid("metadata.name", metadata.name,
      `must be no more than ${MAX_NAME} characters`));
  }
  for (const name of [
    "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit",
  ] as const) errors.push(...nonNegative(`spec.${name}`, spec[name]));
  const policy = spec.concurrencyPolicy ?? "";
  if (!POLICIES.includes(policy)) {
    errors.push(notSupported("spec.concurrencyPolicy", policy, POLICIES));
  }
  return [...errors, ...validateJobSpec(spec.jobTemplate.spec ?? { template: {} },
    "spec.jobTemplate.spec")];
}

export const cronJob: Kind<CronJob> = defineKind<CronJob>("batch/v1.CronJob", {
  nameRule: dnsSubdomain,
  generation: "spec",
  warnings: ({ spec: { jobTemplate } }) =>
    templateWarnings(jobTemplate.spec?.template, "spec.jobTemplate.spec.template"),
  notActedOn: "CronJob is stored, but no controller makes its jobs yet",
  defaults({ spec }) {
    spec.concurrencyPolicy ||= "Allow";
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    spec.jobTemplate.spec ??= { template: {} };
    defaultTemplate(spec.jobTemplate.spec.template);
  },
  validate,
  columns: [
    nameColumn,
    column("Schedule", (object) => object.spec.schedule),
    column("Timezone", (object) => object.spec.timeZone ?? NONE),
    column("Suspend", (object) => object.spec.suspend === undefined
      ? UNSET : object.spec.suspend ? "True" : "False", { type: "boolean" }),
    column("Active", (object) => (object.status?.active ?? []).length, { type: "integer" }),
    column("Last Schedule", (object, now_ms) => object.status?.lastScheduleTime === undefined
      ? NONE : age(object.status.lastScheduleTime, now_ms)),
    ageColumn,
    ...templateColumns<CronJob>((object) => object.spec.jobTemplate.spec?.template),
    selectorColumn<CronJob>((object) => object.spec.jobTemplate.spec?.selector),
  ],
});
