import type { Rejection } from "./framework.ts";

/**
 * What users read in `kubectl describe pod`, in upstream's words and order:
 * `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.`
 */
export function unfitMessage(total: number, rejections: readonly Rejection[]): string {
  const counts = new Map<string, number>();
  for (const { reasons } of rejections) {
    for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  const parts = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${total} nodes are available: ${parts.join(", ")}.`;
}
