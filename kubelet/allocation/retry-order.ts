import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { qosClassOf } from "../containers/qos.ts";

/** A pod whose resize is deferred, and since when, in milliseconds since 1970. */
export type DeferredPod = { pod: Pod; since_ms: number };

/**
 * Returns the pods in the order in which upstream retries their resizes: by priority, then
 * Guaranteed pods, then the longest wait. Pure.
 */
export function retryOrder<T extends DeferredPod>(deferred: readonly T[]): T[] {
  const guaranteed = ({ pod }: T) => (qosClassOf(pod) === "Guaranteed" ? 1 : 0);
  return deferred.toSorted(
    (a, b) =>
      (b.pod.spec.priority ?? 0) - (a.pod.spec.priority ?? 0) ||
      guaranteed(b) - guaranteed(a) ||
      a.since_ms - b.since_ms,
  );
}
