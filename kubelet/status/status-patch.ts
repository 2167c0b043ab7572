import { isDeepStrictEqual } from "node:util";
import type { PodStatus } from "@raft2kube/api/gen/core/v1.ts";
import { RESIZE_CONDITIONS } from "../allocation/resize-state.ts";
import { isOwn } from "./conditions.ts";

/** Fields of a pod's status that the kubelet owns; those that it does not set are removed. */
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
  "allocatedResources",
  "resources",
  "initContainerStatuses",
  "containerStatuses",
  "ephemeralContainerStatuses",
] as const satisfies (keyof PodStatus)[];

/** Lists that a strategic merge would merge by key; the kubelet replaces them. */
const REPLACED = ["podIPs", "hostIPs"] as const;

/**
 * Returns a strategic merge patch of a pod's status. Conditions are merged by type, and those of
 * others are not sent, since they may have changed since they were read. The UID makes the API
 * reject it for another pod of the same name.
 */
export function statusPatch(uid: string, status: PodStatus): object {
  // A merged element keeps the fields that are not removed explicitly: an old reason.
  const conditions = (status.conditions ?? []).filter(isOwn).map((condition) => {
    return { ...condition, reason: condition.reason ?? null, message: condition.message ?? null };
  });
  const ended = RESIZE_CONDITIONS.filter((type) => !conditions.some((one) => one.type === type));
  const removed = ended.map((type) => ({ type, $patch: "delete" }));
  const fields: Record<string, unknown> = { conditions: [...conditions, ...removed] };
  for (const name of OWNED) fields[name] = status[name] ?? null;
  for (const name of REPLACED) {
    const list = status[name];
    if (list) fields[name] = [...list, { $patch: "replace" }];
  }
  return { metadata: { uid }, status: fields };
}

/**
 * Whether an object in the API has the reported status: each field that the kubelet owns, and each
 * of its conditions except for the times. `reported` is plain JSON.
 */
export function showsStatus(shown: PodStatus | undefined, reported: PodStatus): boolean {
  const conditions = (reported.conditions ?? []).filter(isOwn).every((condition) => {
    const there = shown?.conditions?.find(({ type }) => type === condition.type);
    const same = ["status", "reason", "message", "observedGeneration"] as const;
    return same.every((field) => there?.[field] === condition[field]);
  });
  const stale = RESIZE_CONDITIONS.some(
    (type) =>
      shown?.conditions?.some((one) => one.type === type) &&
      !reported.conditions?.some((one) => one.type === type),
  );
  const fields = OWNED.every((name) => isDeepStrictEqual(shown?.[name], reported[name]));
  return conditions && !stale && fields;
}
