import type { Pod, PodCondition } from "@raft2kube/api/gen/core/v1.ts";
import { timeOf } from "./time.ts";

export function podCondition(pod: Pod, type: string): PodCondition | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === type);
}

/** Whether the Ready condition is True. */
export const isPodReady = (pod: Pod): boolean => podCondition(pod, "Ready")?.status === "True";

/** Whether it has been ready for `minReady_s` at `now_ms`. */
export function isPodAvailable(pod: Pod, minReady_s: number, now_ms: number): boolean {
  const ready = podCondition(pod, "Ready");
  if (ready?.status !== "True") return false;
  if (minReady_s === 0) return true;
  const since_ms = timeOf(ready.lastTransitionTime);
  return since_ms !== undefined && since_ms + minReady_s * 1000 <= now_ms;
}

/** Milliseconds until the next of these pods, which are ready, counts as available. */
export function nextAvailable_ms(
  pods: readonly Pod[],
  minReady_s: number,
  now_ms: number,
): number | undefined {
  const waits_ms = pods
    .filter((pod) => isPodReady(pod) && !isPodAvailable(pod, minReady_s, now_ms))
    .map((pod) => timeOf(podCondition(pod, "Ready")?.lastTransitionTime) ?? now_ms)
    .map((since_ms) => since_ms + minReady_s * 1000 - now_ms);
  return waits_ms.length === 0 ? undefined : Math.max(1, Math.min(...waits_ms));
}

/** Whether all its containers have ended for good. */
export function isPodTerminal(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

/** Whether it counts as a replica: neither ended nor being deleted. */
export function isPodActive(pod: Pod): boolean {
  return !isPodTerminal(pod) && pod.metadata.deletionTimestamp === undefined;
}

/** Whether it is being deleted and its containers have not all ended. */
export function isPodTerminating(pod: Pod): boolean {
  return !isPodTerminal(pod) && pod.metadata.deletionTimestamp !== undefined;
}

/** Attributes of spans that are about a pod, with upstream's names. */
export function podAttributes({ metadata: { uid, namespace, name } }: Pod) {
  const full = { "k8s.pod": `${namespace}/${name}`, "k8s.namespace.name": namespace };
  return { "k8s.pod.uid": uid, "k8s.pod.name": name, ...full };
}
