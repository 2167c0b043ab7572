import type { Taint, Toleration } from "@raft2kube/api/gen/core/v1.ts";

/** Whether a toleration lets a pod stand a taint (core/v1 Toleration, ToleratesTaint). */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  switch (toleration.operator || "Equal") {
    case "Exists":
      return true;
    case "Equal":
      return toleration.key !== undefined && (toleration.value ?? "") === (taint.value ?? "");
    default:
      return false;
  }
}

/** The first taint of one of these effects that no toleration stands. */
export function untolerated(
  taints: readonly Taint[] | undefined,
  tolerations: readonly Toleration[] | undefined,
  effects: readonly string[],
): Taint | undefined {
  return taints?.find((taint) => {
    if (!effects.includes(taint.effect)) return false;
    return !tolerations?.some((toleration) => tolerates(toleration, taint));
  });
}
