import type { Pod, PodStatus } from "@raft2kube/api/gen/core/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { isPodTerminal } from "../pod-state.ts";

/** Why a pod is left over. */
export type Leftover = "terminated" | "orphaned" | "unscheduled";

export interface LeftoverPod {
  pod: Pod;
  why: Leftover;
}

/**
 * Returns orphaned pods: pods on deleted nodes, terminating pods that were never scheduled, and the
 * oldest terminated pods above the threshold.
 */
export function planPodGc(
  pods: readonly Pod[],
  isNodeGone: (name: string) => boolean,
  terminated_max: number,
): LeftoverPod[] {
  const leftovers: LeftoverPod[] = [];
  for (const pod of pods) {
    const { nodeName } = pod.spec;
    if (nodeName && isNodeGone(nodeName)) leftovers.push({ pod, why: "orphaned" });
    else if (!nodeName && pod.metadata.deletionTimestamp) {
      leftovers.push({ pod, why: "unscheduled" });
    }
  }
  const ended = pods.filter(isPodTerminal).sort((a, b) => (created(a) < created(b) ? -1 : 1));
  const surplus = ended.slice(0, Math.max(0, ended.length - terminated_max));
  const others = surplus.filter((pod) => !leftovers.some((leftover) => leftover.pod === pod));
  return [...leftovers, ...others.map((pod) => ({ pod, why: "terminated" as const }))];
}

/** The end of a pod whose node is gone, as its status is patched. */
export function orphanedStatus(pod: Pod, now_ms: number): PodStatus {
  const condition = {
    type: "DisruptionTarget",
    status: "True",
    observedGeneration: pod.metadata.generation,
    reason: "DeletionByPodGC",
    message: "PodGC: node no longer exists",
    lastTransitionTime: timeText(now_ms),
  };
  return { phase: "Failed", conditions: [condition] };
}

function created(pod: Pod): string {
  return pod.metadata.creationTimestamp ?? "";
}
