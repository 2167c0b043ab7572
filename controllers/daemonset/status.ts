import type { DaemonSetStatus } from "@raft2kube/api/gen/apps/v1.ts";
import { isPodReady } from "@raft2kube/client-kube/object/pod-state.ts";
import { type DaemonView, isAvailable } from "./plan.ts";
import { isUpdated } from "./pod-of.ts";

/**
 * The status that the pods make. Of a node's pods the oldest counts. `acted` is false when the
 * informer is behind: the spec was not acted on, so that its generation is not observed.
 */
export function planStatus(
  view: DaemonView,
  collisionCount: number,
  acted: boolean,
): DaemonSetStatus {
  const { set, placements, pods, hash } = view;
  const count = {
    desiredNumberScheduled: 0,
    currentNumberScheduled: 0,
    numberMisscheduled: 0,
    numberReady: 0,
    numberAvailable: 0,
    updatedNumberScheduled: 0,
  };
  for (const [node, { run }] of placements) {
    const [pod] = pods.get(node) ?? [];
    if (run) count.desiredNumberScheduled += 1;
    if (!pod) continue;
    if (!run) {
      count.numberMisscheduled += 1;
      continue;
    }
    count.currentNumberScheduled += 1;
    if (isPodReady(pod)) count.numberReady += 1;
    if (isAvailable(view, pod)) count.numberAvailable += 1;
    if (isUpdated(pod, set, hash)) count.updatedNumberScheduled += 1;
  }
  const { observedGeneration, conditions, collisionCount: before } = set.status ?? {};
  return {
    ...count,
    numberUnavailable: count.desiredNumberScheduled - count.numberAvailable,
    observedGeneration: acted ? (set.metadata.generation ?? 0) : (observedGeneration ?? 0),
    ...((collisionCount > 0 || before !== undefined) && { collisionCount }),
    ...(conditions && { conditions }),
  };
}
