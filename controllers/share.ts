import type { IntOrString } from "@raft2kube/api/scalars.ts";

/** A number, or what a share like `25%` is of a whole, rounded as asked. */
export function shareOf(
  value: IntOrString,
  whole: number,
  round: (share: number) => number,
): number {
  if (typeof value === "number") return value;
  return round((Number.parseInt(value, 10) * whole) / 100);
}
