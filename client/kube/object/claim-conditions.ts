import type { PersistentVolumeClaimCondition } from "@raft2kube/api/gen/core/v1.ts";
import { timeText } from "./time.ts";

/** A change of a claim's status; null removes a field. */
export interface ClaimStatusChange {
  fields: Record<string, unknown>;
  /** Types of conditions that no longer hold. */
  without: readonly string[];
  /** Conditions that hold, with their messages, and reasons if they have one. */
  with?: Readonly<Record<string, string | { reason: string; message: string }>>;
}

/** Returns the conditions after a change; one that still holds keeps its time. Pure. */
export function conditionsAfter(
  before: readonly PersistentVolumeClaimCondition[],
  change: ClaimStatusChange,
  now_ms: number,
): PersistentVolumeClaimCondition[] {
  const added = Object.entries(change.with ?? {}).map(([type, text]) => {
    const fields = typeof text === "string" ? { message: text } : text;
    const known = before.find((each) => each.type === type && each.status === "True");
    const lastTransitionTime = known?.lastTransitionTime ?? timeText(now_ms);
    return { type, status: "True" as const, ...fields, lastTransitionTime };
  });
  const replaced = new Set([...change.without, ...added.map(({ type }) => type)]);
  return [...before.filter(({ type }) => !replaced.has(type)), ...added];
}
