/** Job: pods that run to completion. */

import { isDeepStrictEqual } from "node:util";
import { INT32_MAX } from "@raft2kube/std/limits.ts";
import { defaultTemplate, selectorColumn, templateColumns } from "../../apps/v1/workload.ts";
import { ageColumn, column, nameColumn } from "../../columns.ts";
import { validatePodTemplate } from "../../core/v1/pod/validate-spec.ts";
import { workloadWarnings } from "../../core/v1/pod/warnings.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid, notSupported, required, tooLong } from "../../errors.ts";
import type { Job, JobSpec } from "../../gen/batch/v1.ts";
import type { Container, PodTemplateSpec } from "../../gen/core/v1.ts";
import { humanDuration } from "../../human-duration.ts";
import type { Kind } from "../../kind.ts";
import { matchesSelector } from "../../selector.ts";
import { millisOf } from "../../time.ts";
import { invalidBy, oneOf, oneOfIfSet } from "../../validation/checks.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { immutable, nonNegative } from "../../validation/metadata.ts";
import { dnsLabel, domainPath } from "../../validation/names.ts";
import { validateFailurePolicy, validateSuccessPolicy } from "./job-policies.ts";
import { holds, validateJobStatus } from "./job-status.ts";

const BACKOFF_LIMIT = 6;
const UNLIMITED = INT32_MAX;
const MANAGER_MAX = 63;
const INDEXES_MAX = 100_000;
const MANY_INDEXES_MAX = 10_000;
const COMPLETION_MODES = ["NonIndexed", "Indexed"];
const NAME_LABELS = ["job-name", "batch.kubernetes.io/job-name"];
const UID_LABELS = ["controller-uid", "batch.kubernetes.io/controller-uid"];
const SELECTED_LABEL = "batch.kubernetes.io/controller-uid";

function defaultJobSpec(spec: JobSpec): void {
  spec.template ??= {};
  defaultTemplate(spec.template);
  if (spec.completions === undefined && spec.parallelism === undefined) {
    spec.completions = 1;
    spec.parallelism = 1;
  }
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? BACKOFF_LIMIT : UNLIMITED;
  spec.completionMode ??= "NonIndexed";
  spec.suspend ??= false;
  spec.podReplacementPolicy ??=
    spec.podFailurePolicy === undefined ? "TerminatingOrFailed" : "Failed";
  spec.manualSelector ??= false;
}

/** Rules about conditions of pods mean True unless they say otherwise. */
export function defaultFailurePolicy({ podFailurePolicy }: JobSpec): void {
  for (const { onPodConditions } of podFailurePolicy?.rules ?? []) {
    for (const pattern of onPodConditions ?? []) pattern.status ||= "True";
  }
}

/** A job's pods carry its name and uid, and are selected by the uid. */
function selectOwnPods(job: Job): void {
  if (job.spec.manualSelector === true) return;
  const { name = "", uid = "" } = job.metadata;
  const template = job.spec.template;
  const labels: Record<string, string> = {};
  for (const key of NAME_LABELS) labels[key] = name;
  for (const key of UID_LABELS) labels[key] = uid;
  template.metadata = { ...template.metadata, labels: { ...labels, ...template.metadata?.labels } };
  job.spec.selector = {
    ...job.spec.selector,
    matchLabels: { [SELECTED_LABEL]: uid, ...job.spec.selector?.matchLabels },
  };
}

const COUNTS = [
  "parallelism",
  "completions",
  "activeDeadlineSeconds",
  "backoffLimit",
  "ttlSecondsAfterFinished",
  "backoffLimitPerIndex",
  "maxFailedIndexes",
] as const;

/** The rules of a job's spec at a path. */
export function validateJobSpec(spec: JobSpec, path: string): FieldError[] {
  const errors = COUNTS.flatMap((name) => nonNegative(`${path}.${name}`, spec[name]));
  const mode = spec.completionMode ?? "NonIndexed";
  errors.push(...oneOf(mode, COMPLETION_MODES, `${path}.completionMode`));
  if (mode === "Indexed" && spec.completions === undefined) {
    errors.push(required(`${path}.completions`, "when completion mode is Indexed"));
  }
  if (mode === "NonIndexed") {
    for (const name of ["backoffLimitPerIndex", "maxFailedIndexes"] as const) {
      if (spec[name] !== undefined) {
        errors.push(invalid(`${path}.${name}`, spec[name], "requires indexed completion mode"));
      }
    }
  }
  errors.push(...validateOptions(spec, path));
  errors.push(...validatePodTemplate(spec.template, `${path}.template`));
  const policy = spec.template.spec?.restartPolicy ?? "";
  const policyPath = `${path}.template.spec.restartPolicy`;
  if (policy === "Always" || (policy as string) === "") {
    errors.push(required(policyPath, 'valid values: "OnFailure", "Never"'));
  } else if (policy !== "OnFailure" && policy !== "Never") {
    errors.push(notSupported(policyPath, policy, ["OnFailure", "Never"]));
  } else if (policy === "OnFailure" && spec.podFailurePolicy !== undefined) {
    const rule = 'only "Never" is supported when podFailurePolicy ' + "is specified";
    errors.push(invalid(policyPath, policy, rule));
  }
  return errors;
}

/** Bounds of an Indexed job's concurrency, so that its status stays small. */
function validateIndexedLimits(spec: JobSpec, path: string): FieldError[] {
  const { completions = 0, maxFailedIndexes, backoffLimitPerIndex } = spec;
  const errors: FieldError[] = [];
  const above = (name: "parallelism" | "maxFailedIndexes", limit: number, when: string) => {
    if ((spec[name] ?? 0) <= limit) return;
    const rule = `must be less than or equal to ${limit}${when}`;
    errors.push(invalid(`${path}.${name}`, spec[name], rule));
  };
  above("parallelism", INDEXES_MAX, " when completion mode is Indexed");
  if ((maxFailedIndexes ?? 0) > (spec.completions ?? Infinity)) {
    const rule = "must be less than or equal to completions";
    errors.push(invalid(`${path}.maxFailedIndexes`, maxFailedIndexes, rule));
  }
  above("maxFailedIndexes", INDEXES_MAX, "");
  if (completions <= INDEXES_MAX || backoffLimitPerIndex === undefined) return errors;
  if (maxFailedIndexes === undefined) {
    const rule = `must be specified when completions is above ${INDEXES_MAX}`;
    errors.push(required(`${path}.maxFailedIndexes`, rule));
  }
  const when = ` when completions are above ${INDEXES_MAX} and used with backoff limit per index`;
  above("parallelism", MANY_INDEXES_MAX, when);
  above("maxFailedIndexes", MANY_INDEXES_MAX, when);
  return errors;
}

/** Validates a job's options: its manager, the replacement of failed pods, its policies. */
function validateOptions(spec: JobSpec, path: string): FieldError[] {
  const { managedBy, maxFailedIndexes, podReplacementPolicy: replacement } = spec;
  const errors: FieldError[] = [];
  if (maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined) {
    errors.push(required(`${path}.backoffLimitPerIndex`, "when maxFailedIndexes is specified"));
  }
  if (managedBy !== undefined) {
    errors.push(...invalidBy(domainPath, `${path}.managedBy`, managedBy));
    if (managedBy.length > MANAGER_MAX) errors.push(tooLong(`${path}.managedBy`, MANAGER_MAX));
  }
  if (spec.completionMode === "Indexed") errors.push(...validateIndexedLimits(spec, path));
  const replacements =
    spec.podFailurePolicy === undefined ? ["Failed", "TerminatingOrFailed"] : ["Failed"];
  errors.push(...oneOfIfSet(replacement, replacements, `${path}.podReplacementPolicy`));
  return [
    ...errors,
    ...validateFailurePolicy(spec, `${path}.podFailurePolicy`),
    ...validateSuccessPolicy(spec, `${path}.successPolicy`),
  ];
}

/** The labels that the pods of a job carry, unless it selects them by other means. */
function validateOwnLabels({ metadata, spec }: Job): FieldError[] {
  const { name = "", uid = "" } = metadata;
  const labels = spec.template.metadata?.labels ?? {};
  if (spec.manualSelector === true) return [];
  const wanted = [...UID_LABELS.map((key) => [key, uid]), ...NAME_LABELS.map((key) => [key, name])];
  const path = "spec.template.metadata.labels";
  const errors = wanted.flatMap(([key = "", value]) =>
    labels[key] === value
      ? []
      : [
          labels[key] === undefined
            ? required(`${path}[${key}]`, `must be '${value}'`)
            : invalid(`${path}[${key}]`, labels[key], `must be '${value}'`),
        ],
  );
  const selected = spec.selector?.matchLabels ?? {};
  const own = UID_LABELS.some((key) => selected[key] === uid);
  return own || spec.selector === undefined
    ? errors
    : [...errors, invalid("spec.selector", spec.selector, "`selector` not auto-generated")];
}

/** The pods of an indexed job are named by its name and their index. */
function validateIndexedName({ metadata, spec }: Job): FieldError[] {
  if (spec.completionMode !== "Indexed" || spec.completions === undefined) return [];
  const name = `${metadata.name ?? ""}-${Math.max(spec.completions - 1, 0)}`;
  if (dnsLabel(name).length === 0) return [];
  const rule = `will not able to create pod with invalid DNS label: ${name}`;
  return [invalid("metadata.name", metadata.name ?? "", rule)];
}

const selectsItsPods = ({ spec }: Job): boolean =>
  spec.selector !== undefined && matchesSelector(spec.selector, spec.template.metadata?.labels);

function validate(job: Job): FieldError[] {
  const errors = [
    ...validateJobSpec(job.spec, "spec"),
    ...validateIndexedName(job),
    ...validateOwnLabels(job),
  ];
  const labels = job.spec.template.metadata?.labels;
  const unreadable = validateLabelSelector(job.spec.selector, "spec.selector");
  errors.push(...unreadable);
  if (job.spec.selector === undefined) errors.push(required("spec.selector"));
  if (unreadable.length === 0 && !selectsItsPods(job)) {
    const rule = "`selector` does not match template `labels`";
    errors.push(invalid("spec.template.metadata.labels", labels ?? null, rule));
  }
  return errors;
}

/** The fields of a template that may change before its job runs: placement and resources. */
function withoutDirectives({ spec }: PodTemplateSpec): unknown {
  const {
    nodeSelector: _1,
    tolerations: _2,
    schedulingGates: _3,
    affinity,
    ...rest
  } = spec ?? { containers: [] };
  const { nodeAffinity: _4, ...otherAffinity } = affinity ?? {};
  const bare = (containers: readonly Container[] = []) =>
    containers.map(({ resources: _5, ...container }) => container);
  return {
    ...rest,
    affinity: otherAffinity,
    containers: bare(rest.containers),
    initContainers: bare(rest.initContainers),
  };
}

function validateTemplateUpdate({ spec }: Job, old: Job): FieldError[] {
  const idle =
    old.spec.suspend === true && holds(old, "Suspended") && (old.status?.active ?? 0) === 0;
  if (!idle) return immutable("spec.template", spec.template, old.spec.template);
  const same = isDeepStrictEqual(
    withoutDirectives(spec.template),
    withoutDirectives(old.spec.template),
  );
  return same ? [] : immutable("spec.template.spec", spec.template.spec, old.spec.template.spec);
}

const FIXED = [
  "selector",
  "completionMode",
  "podFailurePolicy",
  "backoffLimitPerIndex",
  "managedBy",
  "successPolicy",
] as const;

function validateUpdate(job: Job, old: Job): FieldError[] {
  const errors = FIXED.flatMap((name) => immutable(`spec.${name}`, job.spec[name], old.spec[name]));
  errors.push(...validateTemplateUpdate(job, old));
  if (job.spec.completionMode === "Indexed") {
    const { completions, parallelism } = job.spec;
    const allowed = [undefined, old.spec.completions, parallelism];
    if (allowed.includes(completions)) return errors;
    const rule = "can only be modified in tandem with spec.parallelism";
    return [...errors, invalid("spec.completions", completions, rule)];
  }
  return [...errors, ...immutable("spec.completions", job.spec.completions, old.spec.completions)];
}

function statusCell(job: Job): string {
  const is = (type: string): boolean => holds(job, type);
  if (is("Complete")) return "Complete";
  if (is("Failed")) return "Failed";
  if (job.metadata.deletionTimestamp !== undefined) return "Terminating";
  return ["Suspended", "FailureTarget", "SuccessCriteriaMet"].find(is) ?? "Running";
}

function completionsCell({ spec, status }: Job): string {
  const done = status?.succeeded ?? 0;
  if (spec.completions !== undefined) return `${done}/${spec.completions}`;
  const parallel = spec.parallelism ?? 0;
  return parallel > 1 ? `${done}/1 of ${parallel}` : `${done}/1`;
}

function durationCell({ status }: Job, now_ms: number): string {
  const start_ms = millisOf(status?.startTime);
  if (start_ms === undefined) return "";
  return humanDuration(((millisOf(status?.completionTime) ?? now_ms) - start_ms) / 1000);
}

/** A job without labels has those of its pods. */
function takeTemplateLabels({ metadata, spec }: Job): void {
  const labels = spec.template.metadata?.labels;
  if (labels !== undefined && Object.keys(metadata.labels ?? {}).length === 0) {
    metadata.labels = { ...labels };
  }
}

export const job: Kind<Job> = defineKind<Job>("batch/v1.Job", {
  generation: "spec",
  warnings: workloadWarnings,
  defaults(object) {
    defaultJobSpec(object.spec);
    defaultFailurePolicy(object.spec);
    takeTemplateLabels(object);
  },
  prepareCreate(object) {
    selectOwnPods(object);
    takeTemplateLabels(object);
  },
  validate,
  validateUpdate,
  status: { validateUpdate: validateJobStatus },
  columns: [
    nameColumn,
    column("Status", statusCell),
    column("Completions", completionsCell),
    column("Duration", durationCell),
    ageColumn,
    ...templateColumns<Job>((object) => object.spec.template),
    selectorColumn<Job>((object) => object.spec.selector),
  ],
  selectableFields: { "status.successful": (object) => String(object.status?.succeeded ?? 0) },
});
