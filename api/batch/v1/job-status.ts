/** Validates changes of a job's status, also by other controllers (managedBy). */
import { isDeepStrictEqual } from "node:util";
import { duplicate, type FieldError, invalid, required } from "../../errors.ts";
import type { Job, JobStatus } from "../../gen/batch/v1.ts";
import { millisOf } from "../../time.ts";
import { validateCounts } from "../../validation/metadata.ts";
import { countIndexes, inBoth, indexesIn } from "./job-indexes.ts";

const COUNTS = ["active", "succeeded", "failed", "ready", "terminating"] as const;
const CONDITIONS = "status.conditions";

/** Whether a condition is True. */
export function holds({ status }: Job, type: string): boolean {
  return status?.conditions?.some((each) => each.type === type && each.status === "True") === true;
}

const isFinished = (job: Job): boolean => holds(job, "Complete") || holds(job, "Failed");

/** A finding without a value. */
const wrong = (detail: string): FieldError => invalid(CONDITIONS, "", detail);

function validateUncounted({ status }: Job): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const name of ["succeeded", "failed"] as const) {
    (status?.uncountedTerminatedPods?.[name] ?? []).forEach((uid, index) => {
      const at = `status.uncountedTerminatedPods.${name}[${index}]`;
      if (uid === "") errors.push(invalid(at, uid, "must not be empty"));
      else if (seen.has(uid)) errors.push(duplicate(at, uid));
      seen.add(uid);
    });
  }
  return errors;
}

type Changed = (read: (job: Job) => unknown) => boolean;

/** Conditions that exclude or need each other. */
function validateConditions(job: Job, old: Job, changed: Changed): FieldError[] {
  const is = (type: string) => holds(job, type);
  const was = (type: string) => holds(old, type);
  const moved = (...types: string[]) => types.some((type) => changed((each) => holds(each, type)));
  const failedIndexes = changed(({ status }) => status?.failedIndexes);
  const success = "SuccessCriteriaMet";
  const [complete, failed, target] = [is("Complete"), is("Failed"), is("FailureTarget")];
  const findings: [boolean, string][] = [
    [
      complete && failed && moved("Complete", "Failed"),
      "cannot set Complete=True and Failed=true conditions",
    ],
    [
      complete && target && moved("Complete", "FailureTarget"),
      "cannot set Complete=True and FailureTarget=true conditions",
    ],
    [
      failed && !target && (moved("Failed") || failedIndexes),
      "cannot set Failed=True condition without the FailureTarget=true condition",
    ],
    [
      complete && !is(success) && moved("Complete", success),
      "cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
    ],
    [is(success) && failed, "cannot set SuccessCriteriaMet=True and Failed=true conditions"],
    [is(success) && target, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"],
    [
      job.spec.successPolicy !== undefined && complete && !is(success),
      "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True",
    ],
    ...["Failed", "Complete", "FailureTarget"].map((type): [boolean, string] => [
      was(type) && !is(type),
      `cannot disable the terminal ${type}=True condition`,
    ]),
    [was(success) && !is(success), "cannot disable the SuccessCriteriaMet=True condition"],
    [
      was("Complete") && !was(success) && is(success),
      "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions",
    ],
  ];
  return findings.flatMap(([broken, detail]) => (broken ? [wrong(detail)] : []));
}

function validateTimes(job: Job, old: Job, changed: Changed): FieldError[] {
  const { startTime, completionTime } = job.status ?? {};
  const complete = holds(job, "Complete");
  const started = changed(({ status }) => status?.startTime);
  const ended = changed(({ status }) => status?.completionTime);
  const completed = changed((each) => holds(each, "Complete"));
  const errors: FieldError[] = [];
  const complain = (detail: string) =>
    errors.push(invalid("status.completionTime", completionTime, detail));
  if (completed || ended) {
    if (completionTime !== undefined && !complete) {
      complain("cannot set completionTime when there is no Complete=True condition");
    }
    if (completionTime === undefined && complete) {
      const rule = "completionTime is required for Complete jobs";
      errors.push(required("status.completionTime", rule));
    }
  }
  if ((started || ended) && millisOf(completionTime)! < millisOf(startTime)!) {
    complain("must be equal to or after `startTime`");
  }
  if (ended && completionTime !== undefined && old.status?.completionTime !== undefined) {
    complain("field is immutable");
  }
  const nothing = job.spec.suspend === true && job.spec.completions === 0;
  if ((started || changed(isFinished)) && isFinished(job) && startTime === undefined && !nothing) {
    errors.push(required("status.startTime", "startTime is required for finished job"));
  }
  const resuming =
    holds(old, "Suspended") &&
    job.status?.conditions?.some((each) => each.type === "Suspended" && each.status === "False") ===
      true;
  if (started && !resuming && old.status?.startTime !== undefined && job.spec.suspend !== true) {
    const rule = "field is immutable for unsuspended job once set";
    errors.push(invalid("status.startTime", startTime, rule));
  }
  return errors;
}

function validateEndCounts(job: Job, changed: Changed): FieldError[] {
  const { active = 0, ready = 0, terminating = 0, uncountedTerminatedPods } = job.status ?? {};
  const errors: FieldError[] = [];
  const finished = isFinished(job);
  const finishing = changed(isFinished);
  const moved = (name: keyof JobStatus) => changed(({ status }) => status?.[name]);
  if (finished && active > 0 && (finishing || moved("active"))) {
    errors.push(invalid("status.active", active, "active>0 is invalid for finished job"));
  }
  const { succeeded = [], failed = [] } = uncountedTerminatedPods ?? {};
  if (
    finished &&
    succeeded.length + failed.length > 0 &&
    (finishing || moved("uncountedTerminatedPods"))
  ) {
    const rule = "must be empty for finished job";
    errors.push(invalid("status.uncountedTerminatedPods", uncountedTerminatedPods, rule));
  }
  if (finished && terminating > 0 && (finishing || moved("terminating"))) {
    const rule = "terminating>0 is invalid for finished job";
    errors.push(invalid("status.terminating", terminating, rule));
  }
  if (ready > active && (moved("ready") || moved("active"))) {
    errors.push(invalid("status.ready", ready, "cannot set more ready pods than active"));
  }
  return errors;
}

function validateIndexes({ spec, status = {} }: Job, changed: Changed): FieldError[] {
  const { completedIndexes = "", failedIndexes } = status;
  const { completions, backoffLimitPerIndex } = spec;
  const completedMoved = changed((each) => each.status?.completedIndexes ?? "");
  const failedMoved = changed((each) => each.status?.failedIndexes);
  const errors: FieldError[] = [];
  const unreadable = (name: "completedIndexes" | "failedIndexes", text: string) => {
    const counted = countIndexes(text, completions ?? Infinity);
    if (typeof counted === "number") return;
    errors.push(invalid(`status.${name}`, text, `error parsing ${name}: ${counted}`));
  };
  if (completedMoved) unreadable("completedIndexes", completedIndexes);
  if (failedMoved && backoffLimitPerIndex !== undefined) {
    unreadable("failedIndexes", failedIndexes ?? "");
  }
  if (completedMoved && completedIndexes !== "" && spec.completionMode !== "Indexed") {
    const rule = "cannot set non-empty completedIndexes when non-indexed completion mode";
    errors.push(invalid("status.completedIndexes", completedIndexes, rule));
  }
  if (failedMoved && failedIndexes !== undefined && backoffLimitPerIndex === undefined) {
    const rule = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
    errors.push(invalid("status.failedIndexes", failedIndexes, rule));
  }
  const both =
    (completedMoved || failedMoved) && completions !== undefined
      ? firstOfBoth(completedIndexes, failedIndexes ?? "")
      : undefined;
  if (both !== undefined) {
    const rule = `failedIndexes and completedIndexes overlap at index: ${both}`;
    errors.push(invalid("status.failedIndexes", failedIndexes, rule));
  }
  return errors;
}

function firstOfBoth(completed: string, failed: string): number | undefined {
  return inBoth(indexesIn(completed), indexesIn(failed)).next().value?.[0];
}

function validateDecreases({ spec, status }: Job, old: Job): FieldError[] {
  const errors: FieldError[] = [];
  const scalable = spec.completionMode === "Indexed" && spec.completions === spec.parallelism;
  for (const name of ["failed", "succeeded"] as const) {
    const [now, before] = [status?.[name] ?? 0, old.status?.[name] ?? 0];
    if (now >= before || (name === "succeeded" && scalable)) continue;
    errors.push(invalid(`status.${name}`, now, `cannot decrease the ${name} counter`));
  }
  return errors;
}

/** Most rules look at what changed: a status that broke one before may still be written. */
export function validateJobStatus(job: Job, old: Job): FieldError[] {
  const changed: Changed = (read) => !isDeepStrictEqual(read(job), read(old));
  return [
    ...validateCounts(job.status, COUNTS),
    ...validateUncounted(job),
    ...validateConditions(job, old, changed),
    ...validateTimes(job, old, changed),
    ...validateEndCounts(job, changed),
    ...validateIndexes(job, changed),
    ...validateDecreases(job, old),
  ];
}
