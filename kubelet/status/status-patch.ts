import { isDeepStrictEqual } from "node:util";
import type { PodStatus } from "@raft2kube/api/gen/core/v1.ts";
import { isOwn } from "./conditions.ts";

/** Fields of a pod's status that the kubelet owns; those it does not set are to vanish. */
const OWNED = [
  "observedGeneration",
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
 * stay: they are not sent, since they may have changed since we read them. The UID makes the API
 * refuse it for another pod of the same name.
 */
export function statusPatch(uid: string, status: PodStatus): object {
  // An element that is joined keeps what it is not told to drop: a reason that is past.
  const conditions = (status.conditions ?? []).filter(isOwn).map((condition) => {
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

/**
 * Whether an object in the API says what the kubelet has said of the pod: each field that is the
 * kubelet's, and each of its conditions but for the time. `told` is plain JSON.
 */
export function showsStatus(shown: PodStatus | undefined, reported: PodStatus): boolean {
  const conditions = (reported.conditions ?? []).filter(isOwn).every((condition) => {
    const there = shown?.conditions?.find(({ type }) => type === condition.type);
    const same = ["status", "reason", "message", "observedGeneration"] as const;
    return same.every((field) => there?.[field] === condition[field]);
  });
  return conditions && OWNED.every((name) => isDeepStrictEqual(shown?.[name], reported[name]));
}
