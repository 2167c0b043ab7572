/** Validates a HorizontalPodAutoscaler's metrics: one named source each, with a target. */
import { own } from "@raft2kube/std/own.ts";
import { parseQuantity } from "@raft2kube/std/quantity.ts";
import { validateContainerResourceName } from "../../core/v1/pod/validate-resources.ts";
import { type FieldError, forbidden, invalid, notSupported, required } from "../../errors.ts";
import type {
  CrossVersionObjectReference,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
} from "../../gen/autoscaling/v2.ts";
import { invalidBy, requiredBy } from "../../validation/checks.ts";
import { dnsLabel, pathSegment } from "../../validation/names.ts";

/** The fields of sources, in the order in which they are looked at: the first alone is. */
const SOURCES = ["object", "external", "pods", "resource", "containerResource"] as const;

export type SourceField = (typeof SOURCES)[number];

/** The field that a type of metric is about. */
export const METRIC_FIELDS: Readonly<Record<string, SourceField>> = {
  ContainerResource: "containerResource",
  External: "external",
  Object: "object",
  Pods: "pods",
  Resource: "resource",
};
const METRIC_TYPES = Object.keys(METRIC_FIELDS);
const TARGET_TYPES = ["Utilization", "Value", "AverageValue"];

/** `path` is that of the metric, e.g. `spec.metrics[0]`. */
export function validateMetric(metric: MetricSpec, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const type: string = metric.type;
  const wanted = own(METRIC_FIELDS, type);
  const [first, ...more] = SOURCES.filter((field) => metric[field] !== undefined);
  const unknown = wanted === undefined ? [notSupported(`${path}.type`, type, METRIC_TYPES)] : [];
  if (type === "") errors.push(required(`${path}.type`, "must specify a metric source type"));
  errors.push(...unknown);
  if (first !== undefined) errors.push(...validateSource(metric, first, `${path}.${first}`));
  if (wanted !== undefined && metric[wanted] === undefined) {
    const why = "must populate information for the given metric source";
    errors.push(required(`${path}.${wanted}`, why));
  }
  // Upstream says it again here.
  errors.push(...unknown);
  // For a single source of another type the only error is that its own is missing.
  if (first === undefined || more.length === 0) return errors;
  return [
    ...errors,
    ...[first, ...more]
      .filter((field) => field !== wanted)
      .map((field) => forbidden(`${path}.${field}`, "must populate the given metric source only")),
  ];
}

function validateSource(metric: MetricSpec, field: SourceField, path: string): FieldError[] {
  const target = metric[field]!.target;
  return [
    ...validateSubject(metric, field, path),
    ...validateTarget(target, `${path}.target`),
    ...validateGoal(field, target, `${path}.target`),
  ];
}

/** The measured metric and its object. */
function validateSubject(metric: MetricSpec, field: SourceField, path: string): FieldError[] {
  switch (field) {
    case "object":
      return [
        ...validateReference(metric.object!.describedObject, `${path}.describedObject`, "core too"),
        ...validateIdentifier(metric.object!.metric, `${path}.metric`),
      ];
    case "external":
    case "pods":
      return validateIdentifier(metric[field]!.metric, `${path}.metric`);
    case "resource":
      return metric.resource!.name === ""
        ? [required(`${path}.name`, "must specify a resource name")]
        : [];
    case "containerResource": {
      const { name, container } = metric.containerResource!;
      return [
        ...(name === ""
          ? [required(`${path}.name`, "must specify a resource name")]
          : validateContainerResourceName(name, `${path}.name`)),
        ...(container === ""
          ? [required(`${path}.container`, "must specify a container")]
          : invalidBy(dnsLabel, `${path}.container`, container)),
      ];
    }
  }
}

/** Validates a metric's name. The selector is for the metrics server and is not validated here. */
function validateIdentifier({ name }: MetricIdentifier, path: string): FieldError[] {
  return name === ""
    ? [required(`${path}.name`, "must specify a metric name")]
    : invalidBy(pathSegment, `${path}.name`, name);
}

function validateTarget(target: MetricTarget, path: string): FieldError[] {
  const type: string = target.type;
  const errors: FieldError[] =
    type === "" ? [required(`${path}.type`, "must specify a metric target type")] : [];
  if (!TARGET_TYPES.includes(type)) {
    const why = "must be either Utilization, Value, or AverageValue";
    errors.push(invalid(`${path}.type`, type, why));
  }
  for (const name of ["value", "averageValue"] as const) {
    const amount = target[name];
    if (amount !== undefined && parseQuantity(amount).nanos <= 0n) {
      errors.push(invalid(`${path}.${name}`, amount, "must be positive"));
    }
  }
  const share = target.averageUtilization;
  if (share !== undefined && share < 1) {
    errors.push(invalid(`${path}.averageUtilization`, share, "must be greater than 0"));
  }
  return errors;
}

/** Requires one of the numbers of a target, of two for most sources. */
function validateGoal(field: SourceField, target: MetricTarget, path: string): FieldError[] {
  const { value, averageValue, averageUtilization } = target;
  const average = `${path}.averageValue`;
  switch (field) {
    case "object":
      return value === undefined && averageValue === undefined
        ? [required(average, "must set either a target value or averageValue")]
        : [];
    case "external":
      return oneOf(
        [value, averageValue],
        [average, `${path}.value`],
        "a target value for metric",
        "a per-pod target",
      );
    case "pods":
      return averageValue === undefined
        ? [required(average, "must specify a positive target averageValue")]
        : [];
    case "resource":
    case "containerResource":
      return oneOf(
        [averageUtilization, averageValue],
        [`${path}.averageUtilization`, average],
        "a target raw value",
        "a target utilization",
      );
  }
}

function oneOf(
  [one, other]: readonly [unknown, unknown],
  [missing, doubled]: readonly [path: string, path: string],
  ...words: readonly [string, string]
): FieldError[] {
  if (one === undefined && other === undefined) {
    return [required(missing, `must set either ${words.join(" or ")}`)];
  }
  if (one === undefined || other === undefined) return [];
  return [forbidden(doubled, `may not set both ${words.join(" and ")}`)];
}

/** Which apiVersion a reference may have. */
export type VersionRule = "of a group" | "core too" | "any";

/** Validates what an autoscaler scales or a metric describes. */
export function validateReference(
  { kind, name, apiVersion = "" }: CrossVersionObjectReference,
  path: string,
  rule: VersionRule,
): FieldError[] {
  const errors = Object.entries({ kind, name }).flatMap(([field, text]) =>
    requiredBy(pathSegment, `${path}.${field}`, text),
  );
  const wrong = complaintOf(apiVersion, rule);
  return wrong === undefined
    ? errors
    : [...errors, invalid(`${path}.apiVersion`, apiVersion, wrong)];
}

function complaintOf(apiVersion: string, rule: VersionRule): string | undefined {
  if (rule === "any") return undefined;
  const [group, ...versions] = apiVersion.split("/");
  if (versions.length > 1) return `unexpected GroupVersion string: ${apiVersion}`;
  const core = versions.length === 0 || group === "";
  return core && rule === "of a group" ? "apiVersion must specify API group" : undefined;
}
