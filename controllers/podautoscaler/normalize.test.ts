import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerBehavior,
  HPAScalingRules,
} from "@raft2kube/api/gen/autoscaling/v2.ts";
import { expect, test } from "vitest";
import { beginHistory, type History, rescaled, scaleUpLimit } from "./history.ts";
import { normalize } from "./normalize.ts";

const MINUTE_MS = 60_000;
const DOWNSCALE_MS = 5 * MINUTE_MS;

type Step = { readonly at_ms: number; readonly current: number; readonly desired: number };

function autoscaler(behavior?: HorizontalPodAutoscalerBehavior, max = 100) {
  const spec = {
    scaleTargetRef: { kind: "Deployment", name: "web" },
    maxReplicas: max,
    ...(behavior ? { behavior } : {}),
  };
  return { metadata: { name: "web" }, spec } satisfies HorizontalPodAutoscaler;
}

/** The replicas and reasons of steps that follow each other, each scaled as it is allowed. */
function run(steps: readonly Step[], behavior?: HorizontalPodAutoscalerBehavior, max?: number) {
  let history: History | undefined;
  return steps.map(({ at_ms, current, desired }) => {
    history ??= beginHistory(current, at_ms);
    const each = autoscaler(behavior, max);
    const normal = normalize({
      autoscaler: each,
      history,
      current,
      desired,
      min: 1,
      downscale_ms: DOWNSCALE_MS,
      now_ms: at_ms,
    });
    const { replicas, reason } = normal.limited;
    history =
      replicas === current
        ? normal.history
        : rescaled(normal.history, behavior, current, replicas, at_ms);
    return [replicas, reason] as const;
  });
}

const rules = (up: Partial<HPAScalingRules>, down: Partial<HPAScalingRules> = {}) =>
  ({
    scaleUp: {
      stabilizationWindowSeconds: 0,
      selectPolicy: "Max",
      policies: [{ type: "Pods", value: 1000, periodSeconds: 15 }],
      ...up,
    },
    scaleDown: {
      selectPolicy: "Max",
      policies: [{ type: "Percent", value: 100, periodSeconds: 15 }],
      ...down,
    },
  }) as HorizontalPodAutoscalerBehavior;

test("without rules it grows to the double, or to four", () => {
  expect(run([{ at_ms: 0, current: 1, desired: 50 }])).toEqual([[4, "ScaleUpLimit"]]);
  expect(run([{ at_ms: 0, current: 10, desired: 50 }])).toEqual([[20, "ScaleUpLimit"]]);
  expect(run([{ at_ms: 0, current: 10, desired: 50 }], undefined, 15)).toEqual([
    [15, "TooManyReplicas"],
  ]);
  expect(run([{ at_ms: 0, current: 10, desired: 12 }])).toEqual([[12, "DesiredWithinRange"]]);
});

test("without rules the highest recommendation of five minutes holds", () => {
  const steps = [0, 1, 3, 5, 5.01].map((minutes) => ({
    at_ms: minutes * MINUTE_MS,
    current: 8,
    desired: minutes === 1 ? 6 : 2,
  }));
  expect(run(steps).map(([replicas]) => replicas)).toEqual([8, 8, 8, 8, 6]);
});

test("a window of scaling up holds the lowest recommendation", () => {
  const steps = [
    [0, 5],
    [30, 9],
    [61, 7],
    [90, 9],
  ].map(([seconds = 0, desired = 0]) => ({ at_ms: seconds * 1e3, current: 5, desired }));
  const behavior = rules({ stabilizationWindowSeconds: 60 });
  expect(run(steps, behavior).map(([replicas]) => replicas)).toEqual([5, 5, 7, 7]);
});

test("of several policies the greatest change counts, or the least, or none", () => {
  const policies: NonNullable<HPAScalingRules["policies"]> = [
    { type: "Pods", value: 3, periodSeconds: 60 },
    { type: "Percent", value: 50, periodSeconds: 60 },
  ];
  const grown = (selectPolicy: string) =>
    run([{ at_ms: 0, current: 11, desired: 40 }], rules({ policies, selectPolicy }))[0];
  expect(grown("Max")).toEqual([17, "ScaleUpLimit"]);
  expect(grown("Min")).toEqual([14, "ScaleUpLimit"]);
  expect(grown("Disabled")).toEqual([11, "ScaleUpLimit"]);
  const shrunk = (selectPolicy: string) =>
    run(
      [{ at_ms: 0, current: 11, desired: 1 }],
      rules({}, { policies, selectPolicy, stabilizationWindowSeconds: 0 }),
    )[0];
  expect(shrunk("Max")).toEqual([5, "ScaleDownLimit"]);
  expect(shrunk("Min")).toEqual([8, "ScaleDownLimit"]);
  expect(shrunk("Disabled")).toEqual([11, "ScaleDownLimit"]);
});

test("policies of one period count its changes once", () => {
  let reads = 0;
  const change = {
    change: 1,
    get time_ms() {
      reads++;
      return 0;
    },
  };
  const policy = { type: "Pods", value: 4, periodSeconds: 60 } as const;
  const { scaleUp } = rules({ policies: Array.from({ length: 1_000 }, () => policy) });
  expect(scaleUpLimit({ ...beginHistory(5, 0), ups: [change] }, 5, scaleUp!, 1)).toBe(8);
  expect(reads).toBe(1);
});

test("a policy counts what was changed within its period", () => {
  const policies: NonNullable<HPAScalingRules["policies"]> = [
    { type: "Pods", value: 4, periodSeconds: 60 },
  ];
  const steps = [
    [0, 10],
    [15, 14],
    [61, 14],
    [62, 18],
  ].map(([seconds = 0, current = 0]) => ({ at_ms: seconds * 1e3, current, desired: 30 }));
  expect(run(steps, rules({ policies })).map(([replicas]) => replicas)).toEqual([14, 14, 18, 18]);
});

test("a scaling in the other direction gives its replicas back", () => {
  const policies: NonNullable<HPAScalingRules["policies"]> = [
    { type: "Pods", value: 2, periodSeconds: 600 },
  ];
  const behavior = rules({ policies }, { policies, stabilizationWindowSeconds: 0 });
  const steps: Step[] = [
    { at_ms: 0, current: 10, desired: 20 },
    { at_ms: 1e3, current: 12, desired: 20 },
    { at_ms: 2e3, current: 12, desired: 1 },
    { at_ms: 3e3, current: 8, desired: 20 },
  ];
  expect(run(steps, behavior).map(([replicas]) => replicas)).toEqual([12, 12, 8, 12]);
});

test("a history does not grow beyond its window", () => {
  let history = beginHistory(3, 0);
  for (let step = 1; step < 1_000; step++) {
    ({ history } = normalize({
      autoscaler: autoscaler(),
      history,
      current: 3,
      desired: 3,
      min: 1,
      downscale_ms: DOWNSCALE_MS,
      now_ms: step * 15_000,
    }));
  }
  expect(history.recommendations.length).toBeLessThan(25);
});
