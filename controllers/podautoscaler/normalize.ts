import type {
  HorizontalPodAutoscaler,
  HPAScalingRules,
} from "@raft2kube/api/gen/autoscaling/v2.ts";
import {
  type History,
  type Limited,
  recommend,
  scaleDownLimit,
  scaleUpLimit,
  stabilize,
  stabilizeDown,
  type Windows,
} from "./history.ts";

/** The input of `normalize`. */
export interface Wish {
  readonly autoscaler: HorizontalPodAutoscaler;
  readonly history: History;
  readonly current: number;
  readonly desired: number;
  readonly min: number;
  /** The window of scaling down for autoscalers that name none. */
  readonly downscale_ms: number;
  readonly now_ms: number;
}

/** The normalized number, with the conditions of both steps. */
export interface Allowed {
  readonly history: History;
  readonly stabilized: Limited;
  readonly limited: Limited;
}

const WITHIN = {
  reason: "DesiredWithinRange",
  message: "the desired count is within the acceptable range",
};
const TOO_MANY = {
  reason: "TooManyReplicas",
  message: "the desired replica count is more than the maximum replica count",
};
const TOO_FEW = {
  reason: "TooFewReplicas",
  message: "the desired replica count is less than the minimum replica count",
};
const TOO_FAST_UP = {
  reason: "ScaleUpLimit",
  message: "the desired replica count is increasing faster than the maximum scale rate",
};
const TOO_FAST_DOWN = {
  reason: "ScaleDownLimit",
  message: "the desired replica count is decreasing faster than the maximum scale rate",
};

/** Scaling up without rules of its own: to twice as many, or to four. */
const UP_FACTOR = 2;
const UP_MIN = 4;

/** Stabilizes the wish by those of the windows before, then bounds it by rates, min and max. */
export function normalize(wish: Wish): Allowed {
  const { history, current, desired, downscale_ms, now_ms } = wish;
  const { spec } = wish.autoscaler;
  const { scaleUp, scaleDown } = spec.behavior ?? {};
  if (scaleUp === undefined || scaleDown === undefined) {
    const stabilized = stabilizeDown(history, desired, downscale_ms, now_ms);
    const windows = { up_ms: 0, down_ms: downscale_ms };
    return {
      history: recommend(history, desired, windows, now_ms),
      stabilized,
      limited: bound(wish, stabilized.replicas),
    };
  }
  const windows: Windows = {
    up_ms: (scaleUp.stabilizationWindowSeconds ?? 0) * 1e3,
    down_ms: windowOf(scaleDown, downscale_ms),
  };
  const stabilized = stabilize(history, desired, current, windows, now_ms);
  return {
    history: recommend(history, desired, windows, now_ms),
    stabilized,
    limited: boundByRules(wish, stabilized.replicas, scaleUp, scaleDown),
  };
}

function windowOf({ stabilizationWindowSeconds: seconds }: HPAScalingRules, usual_ms: number) {
  return seconds === undefined ? usual_ms : seconds * 1e3;
}

function bound({ autoscaler, current, min }: Wish, replicas: number): Limited {
  const { maxReplicas } = autoscaler.spec;
  const limit = Math.max(UP_FACTOR * current, UP_MIN);
  if (replicas < min) return { replicas: min, ...TOO_FEW };
  const most = Math.min(maxReplicas, limit);
  if (replicas > most) return { replicas: most, ...(maxReplicas > limit ? TOO_FAST_UP : TOO_MANY) };
  return { replicas, ...WITHIN };
}

function boundByRules(
  { autoscaler, history, current, min, now_ms }: Wish,
  replicas: number,
  up: HPAScalingRules,
  down: HPAScalingRules,
): Limited {
  if (replicas > current) {
    const limit = Math.max(current, scaleUpLimit(history, current, up, now_ms));
    const { maxReplicas } = autoscaler.spec;
    const most = Math.min(maxReplicas, limit);
    const why = maxReplicas > limit ? TOO_FAST_UP : TOO_MANY;
    if (replicas > most) return { replicas: most, ...why };
  } else if (replicas < current) {
    const limit = Math.min(current, scaleDownLimit(history, current, down, now_ms));
    const least = Math.max(min, limit);
    const why = min < limit ? TOO_FAST_DOWN : TOO_FEW;
    if (replicas < least) return { replicas: least, ...why };
  }
  return { replicas, ...WITHIN };
}
