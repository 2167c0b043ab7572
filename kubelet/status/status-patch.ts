import type { PodStatus } from "@raft2kube/api/gen/core/v1.ts";

/** Fields of a pod's status that the kubelet owns; those it does not set are to vanish. */
const OWNED = [
  "phase",
  "reason",
  "message",
  "hostIP",
  "hostIPs",
  "podIP",
  "podIPs",
  "startTime",
  "qosClass",
  "initContainerStatuses",
  "containerStatuses",
  "ephemeralContainerStatuses",
] as const satisfies (keyof PodStatus)[];

/** Lists that a strategic merge would join by key; the kubelet's replaces the old one. */
const REPLACED = ["podIPs", "hostIPs"] as const;

/**
 * A strategic merge patch of a pod's status. Conditions are joined by type, so those of others
 * stay; the UID makes the API refuse it for another pod of the same name.
 */
export function statusPatch(uid: string, status: PodStatus): object {
  // An element that is joined keeps what it is not told to drop: a reason that is past.
  const conditions = (status.conditions ?? []).map((condition) => {
    return { ...condition, reason: condition.reason ?? null, message: condition.message ?? null };
  });
  const fields: Record<string, unknown> = { conditions };
  for (const name of OWNED) fields[name] = status[name] ?? null;
  for (const name of REPLACED) {
    const list = status[name];
    if (list) fields[name] = [...list, { $patch: "replace" }];
  }
  return { metadata: { uid }, status: fields };
}
