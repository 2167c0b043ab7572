/** HorizontalPodAutoscaler: replicas that follow measurements. Stored in this version. */

import { own } from "@raft2kube/std/own.ts";
import { parseQuantity } from "@raft2kube/std/quantity.ts";
import { ageColumn, column, NONE, nameColumn, UNKNOWN, UNSET } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, forbidden, invalid, required } from "../../errors.ts";
import type {
  CrossVersionObjectReference,
  HorizontalPodAutoscaler,
  HPAScalingPolicy,
  HPAScalingRules,
  MetricSpec,
  MetricStatus,
  MetricTarget,
} from "../../gen/autoscaling/v2.ts";
import type { Kind } from "../../kind.ts";
import { eachOf, oneOf, oneOfIfSet } from "../../validation/checks.ts";
import { validateCounts } from "../../validation/metadata.ts";
import {
  METRIC_FIELDS,
  type VersionRule,
  validateMetric,
  validateReference,
} from "./validate-metric.ts";

export const DEFAULT_UTILIZATION = 80;
const PERIOD_S = 15;
const WINDOW_S_MAX = 3600;
const PERIOD_S_MAX = 1800;
const SELECT_POLICIES = ["Disabled", "Max", "Min"];
const POLICY_TYPES = ["Percent", "Pods"];
const SHOWN = 2;
const SCALE_UP: HPAScalingRules = {
  stabilizationWindowSeconds: 0,
  selectPolicy: "Max",
  policies: [
    { type: "Pods", value: 4, periodSeconds: PERIOD_S },
    { type: "Percent", value: 100, periodSeconds: PERIOD_S },
  ],
};
const SCALE_DOWN: HPAScalingRules = {
  selectPolicy: "Max",
  policies: [{ type: "Percent", value: 100, periodSeconds: PERIOD_S }],
};

export function defaultAutoscaler({ spec }: HorizontalPodAutoscaler): void {
  spec.minReplicas ??= 1;
  if ((spec.metrics ?? []).length === 0) {
    spec.metrics = [
      {
        type: "Resource",
        resource: {
          name: "cpu",
          target: { type: "Utilization", averageUtilization: DEFAULT_UTILIZATION },
        },
      },
    ];
  }
  if (spec.behavior === undefined) return;
  spec.behavior.scaleUp = { ...structuredClone(SCALE_UP), ...spec.behavior.scaleUp };
  spec.behavior.scaleDown = { ...structuredClone(SCALE_DOWN), ...spec.behavior.scaleDown };
}

/** Invalid values that existed before the update may stay. */
export function validateAutoscaler(
  { spec }: HorizontalPodAutoscaler,
  old?: HorizontalPodAutoscaler,
): FieldError[] {
  const { minReplicas, maxReplicas, metrics = [] } = spec;
  const errors: FieldError[] = [];
  const least = old?.spec.minReplicas === 0 ? 0 : 1;
  if (minReplicas !== undefined && minReplicas < least) {
    const why = `must be greater than or equal to ${least}`;
    errors.push(invalid("spec.minReplicas", minReplicas, why));
  }
  const outside = metrics.some((each) => each.type === "Object" || each.type === "External");
  if (minReplicas === 0 && !outside) {
    const why =
      "must specify at least one Object or External metric " +
      "to support scaling to zero replicas";
    errors.push(forbidden("spec.metrics", why));
  }
  if (maxReplicas === 0) {
    errors.push(required("spec.maxReplicas", "must be set and greater than 0"));
  } else if (maxReplicas < 1) {
    errors.push(invalid("spec.maxReplicas", maxReplicas, "must be greater than or equal to 1"));
  }
  if (minReplicas !== undefined && maxReplicas < minReplicas) {
    const why = "must be greater than or equal to `minReplicas`";
    errors.push(invalid("spec.maxReplicas", maxReplicas, why));
  }
  const rule = targetRule(spec.scaleTargetRef, old?.spec.scaleTargetRef);
  errors.push(...validateReference(spec.scaleTargetRef, "spec.scaleTargetRef", rule));
  return [
    ...errors,
    ...eachOf(metrics, "spec.metrics", validateMetric),
    ...(["scaleUp", "scaleDown"] as const).flatMap((name) =>
      validateRules(spec.behavior?.[name], `spec.behavior.${name}`),
    ),
  ];
}

function targetRule(
  { apiVersion, kind }: CrossVersionObjectReference,
  old: CrossVersionObjectReference | undefined,
): VersionRule {
  if (old?.apiVersion === apiVersion && old?.kind === kind) return "any";
  // The only core kind that can be scaled.
  return kind === "ReplicationController" ? "core too" : "of a group";
}

function validateRules(rules: HPAScalingRules | undefined, path: string): FieldError[] {
  if (rules === undefined) return [];
  const { stabilizationWindowSeconds: seconds = 0, selectPolicy, policies = [], tolerance } = rules;
  const at = `${path}.stabilizationWindowSeconds`;
  const errors: FieldError[] = [];
  if (seconds < 0) errors.push(invalid(at, seconds, "must be greater than or equal to zero"));
  if (seconds > WINDOW_S_MAX) {
    errors.push(invalid(at, seconds, `must be less than or equal to ${WINDOW_S_MAX}`));
  }
  errors.push(...oneOfIfSet(selectPolicy, SELECT_POLICIES, `${path}.selectPolicy`));
  if (policies.length === 0) {
    errors.push(required(`${path}.policies`, "must specify at least one Policy"));
  }
  errors.push(...eachOf(policies, `${path}.policies`, validatePolicy));
  if (tolerance !== undefined && parseQuantity(tolerance).nanos < 0n) {
    errors.push(invalid(`${path}.tolerance`, tolerance, "must be greater than or equal to 0"));
  }
  return errors;
}

function validatePolicy(policy: HPAScalingPolicy, path: string): FieldError[] {
  const { type, value, periodSeconds } = policy;
  const errors: FieldError[] = oneOf(type, POLICY_TYPES, `${path}.type`);
  for (const [name, number] of [
    ["value", value],
    ["periodSeconds", periodSeconds],
  ] as const) {
    if (number <= 0) errors.push(invalid(`${path}.${name}`, number, "must be greater than zero"));
  }
  if (periodSeconds > PERIOD_S_MAX) {
    const rule = `must be less than or equal to ${PERIOD_S_MAX}`;
    errors.push(invalid(`${path}.periodSeconds`, periodSeconds, rule));
  }
  return errors;
}

function targetOf(metric: MetricSpec): MetricTarget | undefined {
  const field = own(METRIC_FIELDS, metric.type);
  const source = field === undefined ? undefined : metric[field];
  return typeof source === "object" ? source.target : undefined;
}

function metricCell(metric: MetricSpec, status: MetricStatus | undefined): string {
  const target = targetOf(metric);
  const field = own(METRIC_FIELDS, metric.type);
  if (target === undefined || field === undefined) return "<unknown type>";
  const source = status?.[field as keyof MetricStatus];
  const current = typeof source === "object" ? source.current : undefined;
  const named = metric.resource ?? metric.containerResource;
  if (named !== undefined) {
    if (target.averageValue !== undefined) {
      return `${named.name}: ${current?.averageValue ?? UNKNOWN}/${target.averageValue}`;
    }
    const used = current?.averageUtilization;
    const wanted = target.averageUtilization;
    return (
      `${named.name}: ${used === undefined ? UNKNOWN : `${used}%`}/` +
      `${wanted === undefined ? "<auto>" : `${wanted}%`}`
    );
  }
  if (metric.type === "Pods") return `${current?.averageValue ?? UNKNOWN}/${target.averageValue}`;
  if (target.averageValue !== undefined) {
    return `${current?.averageValue ?? UNKNOWN}/${target.averageValue} (avg)`;
  }
  return `${current?.value ?? UNKNOWN}/${target.value}`;
}

function metricsCell({ spec, status }: HorizontalPodAutoscaler): string {
  const cells = (spec.metrics ?? []).map((each, index) =>
    metricCell(each, status?.currentMetrics?.[index]),
  );
  if (cells.length === 0) return NONE;
  const shown = cells.slice(0, SHOWN).join(", ");
  return cells.length > SHOWN ? `${shown} + ${cells.length - SHOWN} more...` : shown;
}

export const horizontalPodAutoscaler: Kind<HorizontalPodAutoscaler> =
  defineKind<HorizontalPodAutoscaler>("autoscaling/v2.HorizontalPodAutoscaler", {
    defaults: defaultAutoscaler,
    validateCreate: (object) => validateAutoscaler(object),
    validateUpdate: (object, old) => validateAutoscaler(object, old),
    status: {
      validateUpdate: ({ status }) =>
        validateCounts(status, ["currentReplicas", "desiredReplicas"]),
    },
    columns: [
      nameColumn,
      column("Reference", ({ spec }) => `${spec.scaleTargetRef.kind}/${spec.scaleTargetRef.name}`),
      column("Targets", metricsCell),
      column("MinPods", ({ spec }) =>
        spec.minReplicas === undefined ? UNSET : String(spec.minReplicas),
      ),
      column("MaxPods", ({ spec }) => spec.maxReplicas),
      column("Replicas", ({ status }) => status?.currentReplicas ?? 0),
      ageColumn,
    ],
  });
