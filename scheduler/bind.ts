import type { Binding, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { nameOf } from "@raft2kube/client-kube/object.ts";
import type { ResourceClient } from "@raft2kube/client-kube/resource-client.ts";
import { timeText } from "@raft2kube/client-kube/time.ts";

/** Gives a pod its node. Fails with Conflict when it has one already, or is another pod by now. */
export async function bindPod(
  pods: ResourceClient<Pod>,
  pod: Pod,
  node: string,
): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  const binding: Binding = {
    apiVersion: "v1",
    kind: "Binding",
    metadata: { namespace, name, uid },
    target: { kind: "Node", name: node },
  };
  await pods.createSubresource(nameOf(pod), "binding", binding);
}

/** Writes why a pod has no node into its PodScheduled condition, unless it says so already. */
export async function tellUnschedulable(
  pods: ResourceClient<Pod>,
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
