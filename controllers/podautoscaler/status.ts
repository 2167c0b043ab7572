import { isDeepStrictEqual } from "node:util";
import type {
  HorizontalPodAutoscalerCondition,
  HorizontalPodAutoscalerStatus,
} from "@raft2kube/api/gen/autoscaling/v2.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { CONDITION_MESSAGE_CHARS_MAX } from "../limits.ts";

export type ConditionType = "AbleToScale" | "ScalingActive" | "ScalingLimited";

/** A condition of an autoscaler. */
export interface Finding {
  readonly type: ConditionType;
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
}

type Conditions = readonly HorizontalPodAutoscalerCondition[];

/** The conditions with a finding; the time changes with the status alone. */
export function withFinding(conditions: Conditions, finding: Finding, now_ms: number): Conditions {
  const before = conditions.find(({ type }) => type === finding.type);
  const same = before?.status === finding.status;
  const lastTransitionTime = same ? before.lastTransitionTime : timeText(now_ms);
  const condition = {
    ...finding,
    message: finding.message.slice(0, CONDITION_MESSAGE_CHARS_MAX),
    ...(lastTransitionTime === undefined ? {} : { lastTransitionTime }),
  };
  if (before === undefined) return [...conditions, condition];
  return conditions.map((each) => (each === before ? condition : each));
}

/** Whether there is nothing to write. */
export function isSameStatus(
  now: HorizontalPodAutoscalerStatus,
  before: HorizontalPodAutoscalerStatus | undefined,
): boolean {
  const plain = (status: HorizontalPodAutoscalerStatus | undefined) => {
    const {
      currentReplicas = 0,
      desiredReplicas = 0,
      currentMetrics,
      conditions,
      ...rest
    } = status ?? { desiredReplicas: 0, currentMetrics: [] };
    return {
      ...rest,
      currentReplicas,
      desiredReplicas,
      // A cleared list reads as none.
      currentMetrics: (currentMetrics as typeof currentMetrics | null) ?? [],
      conditions: conditions ?? [],
    };
  };
  return isDeepStrictEqual(plain(now), plain(before));
}
