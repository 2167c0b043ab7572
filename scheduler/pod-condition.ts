import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";

/**
 * Writes why a pod has no node into its PodScheduled condition. Does nothing if the condition
 * already has this reason and message.
 */
export async function writeNotScheduled(
  pods: Pick<ResourceClient<Pod>, "patch">,
  pod: Pod,
  reason: "Unschedulable" | "SchedulerError",
  message: string,
  now_ms: number,
): Promise<void> {
  const known = pod.status?.conditions?.find((condition) => condition.type === "PodScheduled");
  if (known?.status === "False" && known.reason === reason && known.message === message) return;
  const changed = known?.status !== "False";
  const lastTransitionTime = changed ? timeText(now_ms) : known.lastTransitionTime;
  const condition = {
    ...{ type: "PodScheduled", status: "False", reason, message, lastTransitionTime },
    observedGeneration: pod.metadata.generation,
  };
  const patch = { metadata: { uid: pod.metadata.uid }, status: { conditions: [condition] } };
  await pods.patch({ ...nameOf(pod), subresource: "status" }, "strategic", patch);
}
