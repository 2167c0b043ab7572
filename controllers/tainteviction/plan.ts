import type { Pod, Taint } from "@raft2kube/api/gen/core/v1.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import { tolerates } from "@raft2kube/client-kube/object/toleration.ts";

/**
 * When a pod must leave a node with these taints, in milliseconds since 1970: `now_ms` if
 * immediately, undefined if never. A toleration with `tolerationSeconds` lasts that long from when
 * the taint was added.
 */
export function evictionTime(
  pod: Pod,
  taints: readonly Taint[],
  now_ms: number,
): number | undefined {
  let earliest: number | undefined;
  for (const taint of taints) {
    if (taint.effect !== "NoExecute") continue;
    const used = (pod.spec.tolerations ?? []).filter((item) => tolerates(item, taint));
    if (used.length === 0) return now_ms;
    const seconds = used.flatMap((item) => item.tolerationSeconds ?? []);
    if (seconds.length === 0) continue;
    const since_ms = timeOf(taint.timeAdded) ?? now_ms;
    const end_ms = since_ms + Math.max(0, Math.min(...seconds)) * 1000;
    earliest = Math.min(earliest ?? Infinity, end_ms);
  }
  return earliest;
}
