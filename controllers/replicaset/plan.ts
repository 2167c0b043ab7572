import type {
  ReplicaSet,
  ReplicaSetCondition,
  ReplicaSetStatus,
} from "@raft2kube/api/gen/apps/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import {
  isPodActive,
  isPodAvailable,
  isPodReady,
  isPodTerminating,
  nextAvailable_ms,
} from "@raft2kube/client-kube/object/pod-state.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { REPLICAS_BURST } from "../limits.ts";
import { podsToDelete } from "./ranking.ts";

/** The pods to create or delete; at most one of the two is not empty. */
export type ReplicasPlan = { create: number; delete: Pod[] };

/** Why the last attempt to create or delete pods failed. */
export type ReplicaFailure = { reason: "FailedCreate" | "FailedDelete"; message: string };

/** Decides how many pods to create or which to delete. `pods` are the set's own, in any state. */
export function planReplicas(
  replicaSet: ReplicaSet,
  pods: readonly Pod[],
  related: readonly Pod[],
  now_ms: number,
): ReplicasPlan {
  // lab:08 begin plan-replicas
  const active = pods.filter(isPodActive);
  const missing = (replicaSet.spec.replicas ?? 1) - active.length;
  if (missing >= 0) return { create: Math.min(missing, REPLICAS_BURST), delete: [] };
  const surplus = Math.min(-missing, REPLICAS_BURST);
  return { create: 0, delete: podsToDelete(active, related, surplus, now_ms) };
  // lab:08 end
}

/** The status that the pods make, and when it would change by time alone (minReadySeconds). */
export function planStatus(
  replicaSet: ReplicaSet,
  pods: readonly Pod[],
  failure: ReplicaFailure | undefined,
  now_ms: number,
): { status: ReplicaSetStatus; again_ms: number | undefined } {
  const { template, minReadySeconds = 0 } = replicaSet.spec;
  const active = pods.filter(isPodActive);
  const ready = active.filter(isPodReady);
  const available = ready.filter((pod) => isPodAvailable(pod, minReadySeconds, now_ms));
  const labels = Object.entries(template?.metadata?.labels ?? {});
  const fullyLabeled = active.filter((pod) =>
    labels.every(([key, value]) => pod.metadata.labels?.[key] === value),
  );
  const status: ReplicaSetStatus = {
    replicas: active.length,
    fullyLabeledReplicas: fullyLabeled.length,
    readyReplicas: ready.length,
    availableReplicas: available.length,
    terminatingReplicas: pods.filter(isPodTerminating).length,
    observedGeneration: replicaSet.metadata.generation ?? 0,
  };
  const conditions = planConditions(replicaSet.status?.conditions ?? [], failure, now_ms);
  if (conditions.length > 0) status.conditions = conditions;
  return { status, again_ms: nextAvailable_ms(ready, minReadySeconds, now_ms) };
}

function planConditions(
  old: readonly ReplicaSetCondition[],
  failure: ReplicaFailure | undefined,
  now_ms: number,
): ReplicaSetCondition[] {
  const known = old.find((condition) => condition.type === "ReplicaFailure");
  const others = old.filter((condition) => condition !== known);
  if (!failure) return others;
  if (known?.reason === failure.reason) return [...others, known];
  const lastTransitionTime = timeText(now_ms);
  return [...others, { type: "ReplicaFailure", status: "True", lastTransitionTime, ...failure }];
}
