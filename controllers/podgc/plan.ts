import { isMadeByNode } from "@raft2kube/api/core/v1/pod/mirror.ts";
import type { Node, Pod, PodStatus } from "@raft2kube/api/gen/core/v1.ts";
import { isPodTerminal } from "@raft2kube/client-kube/object/pod-state.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { isNodeReady, isOutOfService } from "../node-state.ts";

/** Why a pod is left over. */
export type Leftover = "terminated" | "orphaned" | "unscheduled" | "out-of-service";

export type LeftoverPod = { pod: Pod; why: Leftover };

/** The state of a node as far as pods can be left over on it. */
export type NodeState = "present" | "gone" | "out-of-service";

/** Returns the state of a node, which is absent from the informer if it is undefined. */
export function stateOfNode(node: Node | undefined): NodeState {
  return node && !isNodeReady(node) && isOutOfService(node) ? "out-of-service" : "present";
}

/**
 * Returns pods left over: those on deleted nodes, terminating ones on nodes out of service and
 * without a node, and of the terminated ones above the threshold first the evicted ones and those
 * that nodes made, then the oldest.
 */
export function planPodGc(
  pods: readonly Pod[],
  stateOf: (node: string) => NodeState,
  terminated_max: number,
): LeftoverPod[] {
  const leftovers: LeftoverPod[] = [];
  for (const pod of pods) {
    const { nodeName } = pod.spec;
    if (isOver(pod)) continue;
    const isTerminating = pod.metadata.deletionTimestamp !== undefined;
    const state = nodeName ? stateOf(nodeName) : undefined;
    if (state === "gone") leftovers.push({ pod, why: "orphaned" });
    else if (isTerminating && state === "out-of-service") leftovers.push({ pod, why: state });
    else if (isUnscheduled(pod)) leftovers.push({ pod, why: "unscheduled" });
  }
  const ended = pods.filter(isPodTerminal).sort((a, b) => (ageOrder(a) < ageOrder(b) ? -1 : 1));
  const surplus = ended.slice(0, Math.max(0, ended.length - terminated_max));
  const known = new Set(leftovers.map(({ pod }) => pod));
  const others = surplus.filter((pod) => !known.has(pod) && !isHeld(pod));
  return [...leftovers, ...others.map((pod) => ({ pod, why: "terminated" as const }))];
}

/**
 * Whether a pod that is being deleted never had a node, whose kubelet would end it. One that is
 * held is marked failed all the same: its job may wait for that before it lets the pod go.
 */
export function isUnscheduled({ metadata, spec }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined && !spec.nodeName;
}

/** Whether a pod waits for its finalizers alone: another deletion changes nothing. */
export function isHeld({ metadata }: Pod): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = metadata;
  return (
    deletionTimestamp !== undefined && deletionGracePeriodSeconds === 0 && finalizers.length > 0
  );
}

/** Whether a pod has ended, and waits for its finalizers alone: there is nothing to do for it. */
export const isOver = (pod: Pod): boolean => isHeld(pod) && isPodTerminal(pod);

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

/**
 * Evicted pods go first, as upstream: their controllers have replaced them. So do those that nodes
 * made, not upstream's: 12,500 of one node would have the ended pods of all namespaces deleted.
 */
function ageOrder(pod: Pod): string {
  const { metadata, status } = pod;
  const isEvicted = status?.phase === "Failed" && status.reason === "Evicted";
  const isFirst = isEvicted || isMadeByNode(pod);
  return `${isFirst ? 0 : 1}/${metadata.creationTimestamp ?? ""}/${metadata.name ?? ""}`;
}
