/**
 * HorizontalPodAutoscaler in its first version, which knows the use of CPU alone. Fields that it
 * lacks are kept in annotations, so that an update through this version loses nothing.
 */

import { defineKind } from "../../define.ts";
import type { HorizontalPodAutoscaler } from "../../gen/autoscaling/v1.ts";
import type { MetricSpec, HorizontalPodAutoscaler as Stored } from "../../gen/autoscaling/v2.ts";
import type { Kind, KubeObject } from "../../kind.ts";
import { validateCounts } from "../../validation/metadata.ts";
import {
  DEFAULT_UTILIZATION,
  horizontalPodAutoscaler as second,
  validateAutoscaler,
} from "../v2/horizontal-pod-autoscaler.ts";
import { readAnnotations, writeAnnotations } from "./annotations.ts";

type StoredStatus = NonNullable<Stored["status"]>;

const isCpuShare = (metric: MetricSpec): boolean =>
  metric.type === "Resource" &&
  metric.resource?.name === "cpu" &&
  metric.resource.target.averageUtilization !== undefined;

function withAnnotations(
  metadata: KubeObject["metadata"],
  annotations: Record<string, string>,
): KubeObject["metadata"] {
  const { annotations: _before, ...rest } = metadata;
  return { ...rest, ...(Object.keys(annotations).length === 0 ? {} : { annotations }) };
}

function fromStorage(object: KubeObject): HorizontalPodAutoscaler {
  const stored = object as Stored;
  const { minReplicas, maxReplicas, scaleTargetRef, metrics = [], behavior } = stored.spec;
  const cpu = metrics.find(isCpuShare)?.resource?.target.averageUtilization;
  const { currentMetrics, conditions, ...status }: StoredStatus = stored.status ?? {
    desiredReplicas: 0,
    currentMetrics: [],
  };
  const used = currentMetrics?.findLast(
    ({ type, resource }) =>
      type === "Resource" &&
      resource?.name === "cpu" &&
      resource.current.averageUtilization !== undefined,
  );
  const share = used?.resource?.current.averageUtilization;
  const annotations = writeAnnotations(stored.metadata.annotations, {
    metrics: metrics.filter((each) => !isCpuShare(each)),
    ...(behavior && { behavior }),
    ...(currentMetrics && { currentMetrics }),
    ...(conditions && { conditions }),
  });
  return {
    kind: "HorizontalPodAutoscaler",
    apiVersion: "autoscaling/v1",
    metadata: withAnnotations(stored.metadata, annotations),
    spec: {
      scaleTargetRef,
      maxReplicas,
      ...(minReplicas === undefined ? {} : { minReplicas }),
      ...(cpu === undefined ? {} : { targetCPUUtilizationPercentage: cpu }),
    },
    status: {
      ...status,
      currentReplicas: status.currentReplicas ?? 0,
      ...(share === undefined ? {} : { currentCPUUtilizationPercentage: share }),
    },
  };
}

function cpuSpec(averageUtilization: number): MetricSpec {
  const target = { type: "Utilization" as const, averageUtilization };
  return { type: "Resource", resource: { name: "cpu", target } };
}

function toStorage(object: HorizontalPodAutoscaler): Stored {
  const { rest, said } = readAnnotations(object.metadata.annotations);
  const { targetCPUUtilizationPercentage: cpu, ...spec } = object.spec;
  const {
    currentCPUUtilizationPercentage: used,
    currentReplicas,
    ...status
  } = object.status ?? { currentReplicas: 0, desiredReplicas: 0 };
  const metrics = [...(said.metrics ?? []), ...(cpu === undefined ? [] : [cpuSpec(cpu)])];
  const usedNow: StoredStatus["currentMetrics"] =
    used === undefined
      ? []
      : [{ type: "Resource", resource: { name: "cpu", current: { averageUtilization: used } } }];
  return {
    kind: "HorizontalPodAutoscaler",
    apiVersion: "autoscaling/v2",
    metadata: withAnnotations(object.metadata, rest),
    spec: { ...spec, metrics, ...(said.behavior && { behavior: said.behavior }) },
    status: {
      // The second version leaves a count of nothing away.
      ...(currentReplicas === 0 ? {} : { currentReplicas }),
      ...status,
      currentMetrics: [...(said.currentMetrics ?? usedNow)],
      ...(said.conditions && { conditions: [...said.conditions] }),
    },
  };
}

/** Shows the object as version 2 has it, with the share of CPU at its usual place: first. */
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
      const { metrics = [] } = readAnnotations(metadata.annotations).said;
      if (metrics.length === 0) spec.targetCPUUtilizationPercentage ??= DEFAULT_UTILIZATION;
    },
    validateCreate: (object) => validateAutoscaler(toStorage(object)),
    validateUpdate: (object, old) => validateAutoscaler(toStorage(object), toStorage(old)),
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
