import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { reasonOf, violations } from "./evaluate.ts";
import { POD_SECURITY_PODS_MAX } from "./limits.ts";
import { type LevelVersion, strictness, textOf } from "./policy.ts";

/** Whether pods that were let in by `old` may be refused now. */
export function isStricter(now: LevelVersion, old: LevelVersion): boolean {
  if (now.level === "privileged") return false;
  return now.version !== old.version || strictness(now.level) > strictness(old.level);
}

/** The warnings about pods of a namespace that break a level it starts to enforce. */
export function warningsAbout(
  namespace: string,
  enforce: LevelVersion,
  pods: readonly Pod[],
): string[] {
  const byReason = new Map<string, string[]>();
  for (const pod of pods.slice(0, POD_SECURITY_PODS_MAX)) {
    const found = violations(enforce, pod.metadata ?? {}, pod.spec!);
    if (found.length === 0) continue;
    const reason = reasonOf(found);
    byReason.set(reason, [...(byReason.get(reason) ?? []), pod.metadata?.name ?? ""]);
  }
  const level = textOf(enforce);
  const cut = "new PodSecurity enforce level only checked against the first";
  const head = `existing pods in namespace "${namespace}" violate the new PodSecurity`;
  return [
    ...(pods.length > POD_SECURITY_PODS_MAX
      ? [`${cut} ${POD_SECURITY_PODS_MAX} of ${pods.length} existing pods`]
      : []),
    ...(byReason.size > 0 ? [`${head} enforce level "${level}"`] : []),
    ...[...byReason].map(([reason, names]) => `${namesText(names)}: ${reason}`).sort(),
  ];
}

function namesText(names: readonly string[]): string {
  const [first = "", ...others] = [...names].sort();
  if (others.length === 0) return first;
  return `${first} (and ${others.length} other ${others.length === 1 ? "pod" : "pods"})`;
}
