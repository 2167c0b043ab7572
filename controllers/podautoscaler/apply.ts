import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerStatus,
} from "@raft2kube/api/gen/autoscaling/v2.ts";
import { isConflict, isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { type History, rescaled } from "./history.ts";
import type { AutoscalerPlan } from "./plan.ts";
import type { ScaleTarget, ScaleTargets } from "./scale-target.ts";
import { type Finding, isSameStatus, withFinding } from "./status.ts";

/** The parts that act on an autoscaler and its target. */
export interface AutoscalerControl {
  readonly autoscalers: ResourceClient<HorizontalPodAutoscaler>;
  readonly targets: ScaleTargets;
  readonly recorder: EventRecorder;
  readonly clock: Clock;
  wrote(written: HorizontalPodAutoscaler): void;
}

/**
 * Scales the target, then writes the status. Returns the history with the scaling. A crash between
 * the two loses only the time of the last scaling and the event: the next step reads the scale from
 * the server.
 */
export async function applyPlan(
  control: AutoscalerControl,
  autoscaler: HorizontalPodAutoscaler,
  target: ScaleTarget,
  plan: AutoscalerPlan,
): Promise<History> {
  const { targets, recorder, clock } = control;
  for (const { type, reason, message } of plan.notes) {
    recorder.record(autoscaler, type, reason, message);
  }
  const { rescale } = plan;
  if (rescale === undefined) {
    await writeStatus(control, autoscaler, plan.status);
    return plan.history;
  }
  const what = `New size: ${rescale.replicas}; reason: ${rescale.reason}`;
  try {
    await targets.set(target, rescale.replicas);
  } catch (thrown) {
    const why = messageOf(thrown);
    recorder.record(autoscaler, "Warning", "FailedRescale", `${what}; error: ${why}`);
    const { desiredReplicas = 0 } = autoscaler.status ?? {};
    const message = `the HPA controller was unable to update the target scale: ${why}`;
    await writeStatus(
      control,
      autoscaler,
      found(plan.status, clock, "False", "FailedUpdateScale", message),
      { desiredReplicas },
    );
    return plan.history;
  }
  recorder.record(autoscaler, "Normal", "SuccessfulRescale", what);
  const lastScaleTime = timeText(clock.now());
  const message = `the HPA controller was able to update the target scale to ${rescale.replicas}`;
  await writeStatus(
    control,
    autoscaler,
    found(plan.status, clock, "True", "SucceededRescale", message),
    { lastScaleTime },
  );
  const from = target.scale.spec?.replicas ?? 0;
  return rescaled(plan.history, autoscaler.spec.behavior, from, rescale.replicas, clock.now());
}

/** The target's scale could not be read: that alone changes in the status. */
export async function writeFailedScale(
  control: AutoscalerControl,
  autoscaler: HorizontalPodAutoscaler,
  why: string,
): Promise<void> {
  control.recorder.record(autoscaler, "Warning", "FailedGetScale", why);
  const before = autoscaler.status ?? { desiredReplicas: 0, currentMetrics: [] };
  const message = `the HPA controller was unable to get the target's current scale: ${why}`;
  await writeStatus(
    control,
    autoscaler,
    found(before, control.clock, "False", "FailedGetScale", message),
  );
}

function found(
  status: HorizontalPodAutoscalerStatus,
  clock: Clock,
  value: Finding["status"],
  reason: string,
  message: string,
): HorizontalPodAutoscalerStatus {
  const finding: Finding = { type: "AbleToScale", status: value, reason, message };
  return { ...status, conditions: [...withFinding(status.conditions ?? [], finding, clock.now())] };
}

async function writeStatus(
  { autoscalers, recorder, wrote }: AutoscalerControl,
  autoscaler: HorizontalPodAutoscaler,
  status: HorizontalPodAutoscalerStatus,
  more: Partial<HorizontalPodAutoscalerStatus> = {},
): Promise<void> {
  const next = { ...status, ...more };
  if (isSameStatus(next, autoscaler.status)) return;
  try {
    wrote(await autoscalers.updateStatus({ ...autoscaler, status: next }));
  } catch (thrown) {
    // It was deleted or changed meanwhile: the next period sees that.
    if (isNotFound(thrown) || isConflict(thrown)) return;
    recorder.record(autoscaler, "Warning", "FailedUpdateStatus", messageOf(thrown));
  }
}
