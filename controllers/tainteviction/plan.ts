import type { Pod, Taint } from "@raft2kube/api/gen/core/v1.ts";
import { timeOf, timeText } from "@raft2kube/client-kube/object/time.ts";
import { tolerates } from "@raft2kube/client-kube/object/toleration.ts";

/**
 * Returns a node's NoExecute taints, all with a time: those without one count from when they were
 * first seen, in `known` or now (as upstream, which counts all of them so).
 */
export function datedTaints(
  taints: readonly Taint[],
  known: readonly Taint[],
  now_ms: number,
): Taint[] {
  const dated = (taint: Taint): Taint => {
    if (taint.timeAdded) return taint;
    const same = known.find(({ key, value }) => key === taint.key && value === taint.value);
    return { ...taint, timeAdded: same?.timeAdded ?? timeText(now_ms) };
  };
  return taints.filter(({ effect }) => effect === "NoExecute").map(dated);
}

/**
 * When a pod must leave a node with these `datedTaints`, in milliseconds since 1970: `now_ms` if
 * immediately, undefined if never. A toleration with `tolerationSeconds` lasts that long from when
 * the taint was added, or the pod came to the node.
 */
export function evictionTime(
  pod: Pod,
  taints: readonly Taint[],
  now_ms: number,
): number | undefined {
  const bound_ms = boundAt(pod);
  let earliest: number | undefined;
  for (const taint of taints) {
    const used = (pod.spec.tolerations ?? []).filter((item) => tolerates(item, taint));
    if (used.length === 0) return now_ms;
    const seconds = used.flatMap((item) => item.tolerationSeconds ?? []);
    if (seconds.length === 0) continue;
    const since_ms = Math.max(timeOf(taint.timeAdded) ?? now_ms, bound_ms);
    const end_ms = since_ms + Math.max(0, Math.min(...seconds)) * 1000;
    earliest = Math.min(earliest ?? Infinity, end_ms);
  }
  return earliest;
}

/** When a pod came to its node. */
function boundAt({ metadata, status }: Pod): number {
  const scheduled = status?.conditions?.find(
    ({ type, status: state }) => type === "PodScheduled" && state === "True",
  );
  return timeOf(scheduled?.lastTransitionTime ?? metadata.creationTimestamp) ?? 0;
}
