/** When a job gives up or is content before all its pods have ended: rules about both. */

import { duplicate, type FieldError, invalid, required, tooLong, tooMany } from "../../errors.ts";
import type {
  JobSpec,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyOnPodConditionsPattern,
  PodFailurePolicyRule,
  SuccessPolicyRule,
} from "../../gen/batch/v1.ts";
import { eachOf, invalidBy, oneOf } from "../../validation/checks.ts";
import { nonNegative } from "../../validation/metadata.ts";
import { qualifiedName } from "../../validation/names.ts";
import { countIndexes } from "./job-indexes.ts";

const ACTIONS = ["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS = ["In", "NotIn"];
const STATUSES = ["False", "True", "Unknown"];
const RULES_MAX = 20;
const PATTERNS_MAX = 20;
const EXIT_CODES_MAX = 255;
/** Upstream's bound. */
const SUCCEEDED_INDEXES_BYTES_MAX = 64 << 10;

/** A value that must be there and be one of a few. */
function validateChoice(value: string, allowed: readonly string[], path: string): FieldError[] {
  if (value === "") {
    return [required(path, `valid values: ${JSON.stringify(allowed).replaceAll(",", " ")}`)];
  }
  return oneOf(value, allowed, path);
}

function validateExitCodes(
  codes: PodFailurePolicyOnExitCodesRequirement,
  path: string,
  containers: readonly string[],
): FieldError[] {
  const {
    operator = "",
    containerName,
    values = [],
  } = codes as Partial<PodFailurePolicyOnExitCodesRequirement>;
  const errors = validateChoice(operator, OPERATORS, `${path}.operator`);
  if (containerName !== undefined && !containers.includes(containerName)) {
    const rule = "must be one of the container or initContainer names in the pod template";
    errors.push(invalid(`${path}.containerName`, containerName, rule));
  }
  const at = `${path}.values`;
  if (values.length === 0) errors.push(invalid(at, values, "at least one value is required"));
  if (values.length > EXIT_CODES_MAX) {
    return [...errors, tooMany(at, values.length, EXIT_CODES_MAX)];
  }
  const seen = new Set<number>();
  values.forEach((value, index) => {
    if (operator === "In" && value === 0) {
      errors.push(invalid(`${at}[${index}]`, value, "must not be 0 for the In operator"));
    }
    if (seen.has(value)) errors.push(duplicate(`${at}[${index}]`, value));
    seen.add(value);
  });
  if (values.some((value, index) => index > 0 && values[index - 1]! > value)) {
    errors.push(invalid(at, values, "must be ordered"));
  }
  return errors;
}

const validatePattern = (
  { type = "", status = "" }: Partial<PodFailurePolicyOnPodConditionsPattern>,
  path: string,
): FieldError[] => [
  ...invalidBy(qualifiedName, `${path}.type`, type),
  ...validateChoice(status, STATUSES, `${path}.status`),
];

function validateRule(
  rule: PodFailurePolicyRule,
  spec: JobSpec,
  path: string,
  containers: readonly string[],
): FieldError[] {
  const { action = "", onExitCodes, onPodConditions = [] } = rule as Partial<PodFailurePolicyRule>;
  const errors = validateChoice(action, ACTIONS, `${path}.action`);
  if (action === "FailIndex" && spec.backoffLimitPerIndex === undefined) {
    errors.push(invalid(`${path}.action`, action, "requires the backoffLimitPerIndex to be set"));
  }
  if (onExitCodes !== undefined) {
    errors.push(...validateExitCodes(onExitCodes, `${path}.onExitCodes`, containers));
  }
  if (onPodConditions.length > PATTERNS_MAX) {
    errors.push(tooMany(`${path}.onPodConditions`, onPodConditions.length, PATTERNS_MAX));
  }
  errors.push(...eachOf(onPodConditions, `${path}.onPodConditions`, validatePattern));
  const [codes, conditions] = [onExitCodes !== undefined, onPodConditions.length > 0];
  if (codes !== conditions) return errors;
  return [
    ...errors,
    invalid(
      path,
      "",
      codes
        ? "specifying both OnExitCodes and OnPodConditions is not supported"
        : "specifying one of OnExitCodes and OnPodConditions is required",
    ),
  ];
}

/** Validates the pod failure policy. */
export function validateFailurePolicy(spec: JobSpec, path: string): FieldError[] {
  const rules = spec.podFailurePolicy?.rules ?? [];
  const { containers = [], initContainers = [] } = spec.template.spec ?? {};
  const names = [...containers, ...initContainers].map((each) => each.name);
  const errors =
    rules.length > RULES_MAX ? [tooMany(`${path}.rules`, rules.length, RULES_MAX)] : [];
  return [
    ...errors,
    ...rules.flatMap((each, index) => validateRule(each, spec, `${path}.rules[${index}]`, names)),
  ];
}

function validateSuccessRule(
  { succeededCount, succeededIndexes }: SuccessPolicyRule,
  completions: number,
  path: string,
): FieldError[] {
  if (succeededCount === undefined && succeededIndexes === undefined) {
    return [required(path, "at least one of succeededCount or succeededIndexes must be specified")];
  }
  if ((succeededIndexes?.length ?? 0) > SUCCEEDED_INDEXES_BYTES_MAX) {
    return [tooLong(`${path}.succeededIndexes`, SUCCEEDED_INDEXES_BYTES_MAX)];
  }
  const errors: FieldError[] = [];
  const counted = countIndexes(succeededIndexes ?? "", completions);
  if (typeof counted === "string") {
    const rule = `error parsing succeededIndexes: ${counted}`;
    errors.push(invalid(`${path}.succeededIndexes`, succeededIndexes, rule));
  }
  if (succeededCount === undefined) return errors;
  const at = `${path}.succeededCount`;
  errors.push(...nonNegative(at, succeededCount));
  if (succeededCount > completions) {
    const rule = `must be less than or equal to ${completions} (the number of specified completions)`;
    errors.push(invalid(at, succeededCount, rule));
  }
  const indexes = typeof counted === "string" ? 0 : counted;
  if (succeededIndexes !== undefined && succeededCount > indexes) {
    const rule =
      `must be less than or equal to ${indexes} ` +
      "(the number of indexes in the specified succeededIndexes field)";
    errors.push(invalid(at, succeededCount, rule));
  }
  return errors;
}

/** Which of an indexed job's pods are enough. */
export function validateSuccessPolicy(spec: JobSpec, path: string): FieldError[] {
  if (spec.successPolicy === undefined) return [];
  if (spec.completionMode !== "Indexed") {
    return [invalid(path, spec.successPolicy, "requires indexed completion mode")];
  }
  const rules = spec.successPolicy.rules ?? [];
  if (rules.length === 0) {
    const rule = "at least one rules must be specified when the successPolicy is specified";
    return [required(`${path}.rules`, rule)];
  }
  const errors =
    rules.length > RULES_MAX ? [tooMany(`${path}.rules`, rules.length, RULES_MAX)] : [];
  if (spec.completions === undefined) return errors;
  return [
    ...errors,
    ...rules.flatMap((each, index) =>
      validateSuccessRule(each, spec.completions!, `${path}.rules[${index}]`),
    ),
  ];
}
