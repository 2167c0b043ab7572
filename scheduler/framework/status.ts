import { LISTED_MAX } from "@raft2kube/std/limits.ts";
import { listed } from "@raft2kube/std/listed.ts";

/** The outcome of an extension point that rejects a pod, in upstream's codes. */
export interface Status {
  /** `Unschedulable` may change when pods leave the node; preemption cannot change the other. */
  readonly code: "Unschedulable" | "UnschedulableAndUnresolvable";
  readonly reasons: readonly string[];
}

/** Status of PreFilter and PreScore that leaves the plugin's Filter or Score out of this cycle. */
export const SKIP = "Skip" as const;

/** The result of an extension point; `undefined` is upstream's Success. */
export type Result = Status | undefined;

/** Returns a status that pods leaving the node may change. */
export function unschedulable(...reasons: string[]): Status {
  return { code: "Unschedulable", reasons: first(reasons) };
}

/** Returns a status that no preemption changes. */
export function unresolvable(...reasons: string[]): Status {
  return { code: "UnschedulableAndUnresolvable", reasons: first(reasons) };
}

/** Bounds the reasons that are kept for each node: a pod may request thousands of resources. */
function first(reasons: readonly string[]): readonly string[] {
  if (reasons.length <= LISTED_MAX) return reasons;
  return [...reasons.slice(0, LISTED_MAX), "further reasons"];
}

/**
 * The text of upstream's FitError, as `kubectl describe pod` shows it:
 * `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.`
 */
export function fitErrorMessage(numAllNodes: number, statuses: readonly Status[]): string {
  const counts = new Map<string, number>();
  for (const { reasons } of statuses) {
    for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  // Those of most nodes are shown, whichever node an attempt looks at first.
  const most = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const parts = most.map(([reason, count]) => `${count} ${reason}`);
  return `0/${numAllNodes} nodes are available: ${listed(parts)}.`;
}
