import type { HorizontalPodAutoscaler } from "@raft2kube/api/gen/autoscaling/v2.ts";
import { expect, test } from "vitest";
import { AUTOSCALER_DEFAULTS } from "../autoscaler-settings.ts";
import { AUTOSCALER_METRICS_MAX, CONDITION_MESSAGE_CHARS_MAX } from "../limits.ts";
import { needsMetrics, planAutoscaler } from "./plan.ts";

const scaleOf = (replicas: number) => ({
  metadata: {},
  spec: { replicas },
  status: { replicas, selector: "app=a" },
});

function autoscaler(metrics: number): HorizontalPodAutoscaler {
  const metric = {
    type: "Resource" as const,
    resource: { name: "cpu", target: { type: "AverageValue" as const, averageValue: "1" } },
  };
  return {
    metadata: { name: "a", namespace: "n" },
    spec: {
      scaleTargetRef: { kind: "Deployment", name: "a" },
      minReplicas: 2,
      maxReplicas: 4,
      metrics: Array.from({ length: metrics }, () => metric),
    },
  };
}

test.each([
  [0, false],
  [1, false],
  [2, true],
  [4, true],
  [5, false],
])("of %i replicas, with bounds of 2 and 4, metrics are read: %s", (replicas, isRead) => {
  expect(needsMetrics(autoscaler(1), scaleOf(replicas))).toBe(isRead);
});

test("the condition of an ambiguous selector names ten autoscalers, and has a bounded text", () => {
  const rivals = Array.from({ length: 1_000 }, (_, at) => `n/${at}`.padEnd(250, "x"));
  const scale = scaleOf(3);
  const plan = (selector: string) =>
    planAutoscaler({
      autoscaler: autoscaler(1),
      scale: { ...scale, status: { replicas: 3, selector } },
      history: undefined,
      now_ms: 1e12,
      selected: { pods: [], rivals, answered: { error: "none" }, others: [] },
      settings: AUTOSCALER_DEFAULTS,
    }).status.conditions?.at(-1);
  expect(plan("app=web")?.message).toMatch(/controlled by multiple HPAs: \[n\/0x.* 990 more\]$/);
  const long = plan(`app=${"w".repeat(100_000)}`);
  expect(long?.reason).toBe("AmbiguousSelector");
  expect(long?.message).toHaveLength(CONDITION_MESSAGE_CHARS_MAX);
});

test.each([
  [AUTOSCALER_METRICS_MAX, "FailedGetResourceMetric", AUTOSCALER_METRICS_MAX],
  [AUTOSCALER_METRICS_MAX + 1, "TooManyMetrics", 0],
])("of %i metrics the condition says %s", (count, reason, read) => {
  const { status, rescale, notes } = planAutoscaler({
    autoscaler: autoscaler(count),
    scale: scaleOf(3),
    history: undefined,
    now_ms: 1e12,
    selected: { pods: [], rivals: [], answered: { error: "none" }, others: [] },
    settings: AUTOSCALER_DEFAULTS,
  });
  expect(rescale).toBeUndefined();
  expect(status.currentMetrics).toHaveLength(read);
  expect(status.conditions?.at(-1)).toMatchObject({
    type: "ScalingActive",
    status: "False",
    reason,
  });
  expect(notes.at(-1)?.reason).toBe("FailedComputeMetricsReplicas");
});
