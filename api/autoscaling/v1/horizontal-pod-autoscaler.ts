/**
 * HorizontalPodAutoscaler in its first version, which knows the use of CPU alone. What it cannot
 * say travels in annotations, so that an update through this version loses nothing.
 */
import type { HorizontalPodAutoscaler } from "../../gen/autoscaling/v1.ts";
import type {
  HorizontalPodAutoscaler as Stored, HorizontalPodAutoscalerSpec, MetricSpec,
} from "../../gen/autoscaling/v2.ts";
import { defineKind } from "../../define.ts";
import { validateCounts } from "../../validation/metadata.ts";
import type { Kind, KubeObject } from "../../kind.ts";
import { horizontalPodAutoscaler as second, validateAutoscaler } from
  "../v2/horizontal-pod-autoscaler.ts";

const METRICS = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior";
const CURRENT = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions";

type StoredStatus = NonNullable<Stored["status"]>;

const isCpuShare = (metric: MetricSpec): boolean => metric.type === "Resource" &&
  metric.resource?.name === "cpu" && metric.resource.target.averageUtilization !== undefined;

function annotated(object: KubeObject, values: Record<string, unknown>): KubeObject["metadata"] {
  const annotations = { ...object.metadata.annotations };
  for (const [key, value] of Object.entries(values)) {
    const empty = value === undefined || (Array.isArray(value) && value.length === 0);
    if (!empty) annotations[key] = JSON.stringify(value);
  }
  if (Object.keys(annotations).length === 0) return object.metadata;
  return { ...object.metadata, annotations };
}

function fromStorage(object: KubeObject): HorizontalPodAutoscaler {
  const stored = object as Stored;
  const { minReplicas, maxReplicas, scaleTargetRef, metrics = [], behavior } = stored.spec;
  const cpu = metrics.find(isCpuShare)?.resource?.target.averageUtilization;
  const { currentMetrics, conditions, ...status }: StoredStatus =
    stored.status ?? { desiredReplicas: 0, currentMetrics: [] };
  return {
    kind: "HorizontalPodAutoscaler",
    apiVersion: "autoscaling/v1",
    metadata: annotated(stored, {
      [METRICS]: metrics.filter((each) => !isCpuShare(each)), [BEHAVIOR]: behavior,
      [CURRENT]: currentMetrics, [CONDITIONS]: conditions,
    }),
    spec: {
      scaleTargetRef, maxReplicas,
      ...(minReplicas === undefined ? {} : { minReplicas }),
      ...(cpu === undefined ? {} : { targetCPUUtilizationPercentage: cpu }),
    },
    status: { ...status, currentReplicas: status.currentReplicas ?? 0 },
  };
}

function taken(annotations: Record<string, string>, key: string): unknown {
  const text = annotations[key];
  delete annotations[key];
  return text === undefined ? undefined : JSON.parse(text) as unknown;
}

function toStorage(object: HorizontalPodAutoscaler): Stored {
  const annotations = { ...object.metadata.annotations };
  const others = (taken(annotations, METRICS) ?? []) as MetricSpec[];
  const behavior = taken(annotations, BEHAVIOR) as HorizontalPodAutoscalerSpec["behavior"];
  const currentMetrics = (taken(annotations, CURRENT) ?? []) as StoredStatus["currentMetrics"];
  const conditions = taken(annotations, CONDITIONS) as StoredStatus["conditions"];
  const { targetCPUUtilizationPercentage: cpu, ...spec } = object.spec;
  const share: MetricSpec[] = cpu === undefined ? [] : [{
    type: "Resource",
    resource: { name: "cpu", target: { type: "Utilization", averageUtilization: cpu } },
  }];
  const { currentCPUUtilizationPercentage: _cpu, currentReplicas, ...status } =
    object.status ?? { currentReplicas: 0, desiredReplicas: 0 };
  const { annotations: _annotations, ...metadata } = object.metadata;
  return {
    kind: "HorizontalPodAutoscaler",
    apiVersion: "autoscaling/v2",
    metadata: { ...metadata, ...(Object.keys(annotations).length === 0 ? {} : { annotations }) },
    spec: {
      ...spec, metrics: [...others, ...share], ...(behavior === undefined ? {} : { behavior }),
    },
    status: {
      // The second version leaves a count of nothing away.
      ...(currentReplicas === 0 ? {} : { currentReplicas }),
      ...status, currentMetrics, ...(conditions === undefined ? {} : { conditions }),
    },
  };
}

/** As the second version has it, the share of CPU where it usually stands: first. */
function shown(object: HorizontalPodAutoscaler): Stored {
  const stored = toStorage(object);
  const { metrics = [] } = stored.spec;
  const shares = metrics.filter(isCpuShare);
  const others = metrics.filter((each) => !isCpuShare(each));
  return { ...stored, spec: { ...stored.spec, metrics: [...shares, ...others] } };
}

export const horizontalPodAutoscaler: Kind<HorizontalPodAutoscaler> =
  defineKind<HorizontalPodAutoscaler>("autoscaling/v1.HorizontalPodAutoscaler", {
    storedAs: { group: "autoscaling", version: "v2", kind: "HorizontalPodAutoscaler" },
    fromStorage,
    toStorage,
    defaults({ spec, metadata }) {
      spec.minReplicas ??= 1;
      if (metadata.annotations?.[METRICS] === undefined) spec.targetCPUUtilizationPercentage ??= 80;
    },
    validate: (object) => validateAutoscaler(toStorage(object)),
    status: {
      validateUpdate: ({ status }) =>
        validateCounts(status, ["currentReplicas", "desiredReplicas"]),
    },
    shown,
    columns: second.columns.map((each) => ({
      ...each,
      value: (printed: KubeObject, now_ms: number) => each.value(printed as Stored, now_ms),
    })),
  });
