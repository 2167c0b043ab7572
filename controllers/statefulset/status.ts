import type { StatefulSetStatus } from "@raft2kube/api/gen/apps/v1.ts";
import { isPodAvailable, isPodReady } from "@raft2kube/client-kube/object/pod-state.ts";
import { revisionOf } from "./identity.ts";
import { placedPods, type StatefulView } from "./plan.ts";

/**
 * The status that the pods make. `updated` are pods that this step has deleted to update them. When
 * all pods are of the newest revision and ready, it becomes the current one.
 */
export function planStatus(
  view: StatefulView,
  collisionCount: number,
  updated: number,
): StatefulSetStatus {
  const { set, current, update, now_ms } = view;
  const { minReadySeconds = 0, replicas: wanted = 1, updateStrategy } = set.spec;
  const pods = placedPods(view)
    .map(({ pod }) => pod)
    .filter(({ status }) => status?.phase);
  const ready = pods.filter((pod) => pod.status?.phase === "Running" && isPodReady(pod));
  const staying = pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const ofRevision = (name: string | undefined) =>
    staying.filter((pod) => revisionOf(pod) === name).length;
  const { conditions } = set.status ?? {};
  const status: StatefulSetStatus = {
    observedGeneration: set.metadata.generation ?? 0,
    replicas: pods.length,
    readyReplicas: ready.length,
    availableReplicas: ready.filter((pod) => isPodAvailable(pod, minReadySeconds, now_ms)).length,
    currentReplicas: Math.max(0, ofRevision(current.metadata.name) - updated),
    updatedReplicas: ofRevision(update.metadata.name),
    currentRevision: current.metadata.name ?? "",
    updateRevision: update.metadata.name ?? "",
    collisionCount,
    ...(conditions && { conditions }),
  };
  const complete =
    status.updatedReplicas === wanted &&
    status.readyReplicas === wanted &&
    status.replicas === wanted;
  if (updateStrategy?.type !== "RollingUpdate" || !complete) return status;
  return { ...status, currentReplicas: wanted, currentRevision: update.metadata.name ?? "" };
}
