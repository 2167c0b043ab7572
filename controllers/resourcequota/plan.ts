import { type Amounts, addAmounts } from "@raft2kube/api/core/v1/pod/amounts.ts";
import { covers } from "@raft2kube/api/core/v1/quota/scopes.ts";
import { type Counted, chargedUntil, usageOf } from "@raft2kube/api/core/v1/quota/usage.ts";
import type { Pod, ResourceQuota, ResourceQuotaStatus } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { Slices } from "@raft2kube/std/slices.ts";

/** Objects of one resource in the quota's namespace. */
export interface Held extends Counted {
  readonly objects: readonly KubeObject[];
}

/**
 * Returns a quota's status: its limits, and their usage now by the existing objects. Those are
 * counted in slices; of each only what the quota limits is kept.
 */
export async function statusOf(
  quota: ResourceQuota,
  held: readonly Held[],
  now_ms: number,
): Promise<ResourceQuotaStatus> {
  const hard = quota.spec?.hard ?? {};
  const names = Object.keys(hard);
  const sum: Amounts = {};
  const slices = new Slices();
  for (const { objects, ...counted } of held) {
    for (const object of objects) {
      if (slices.due) await slices.pause();
      if (!covers(quota, counted, object)) continue;
      const usage = usageOf(counted, object, now_ms);
      const limited = names.filter((name) => usage[name] !== undefined);
      addAmounts(sum, Object.fromEntries(limited.map((name) => [name, usage[name]!])));
    }
  }
  const used = Object.fromEntries(names.map((name) => [name, sum[name] ?? "0"]));
  return { hard, used };
}

/** Milliseconds until a pod stops being charged for, the first to; infinite when none will. */
export function untilRelease_ms(held: readonly Held[], now_ms: number): number {
  const pods = held.filter(({ group, plural }) => group === "" && plural === "pods");
  let least_ms = Number.POSITIVE_INFINITY;
  for (const pod of pods.flatMap(({ objects }) => objects as readonly Pod[])) {
    const left_ms = chargedUntil(pod) - now_ms;
    if (left_ms >= 0) least_ms = Math.min(least_ms, left_ms + 1);
  }
  return least_ms;
}

/** The resources besides pods, services and claims that a quota counts. */
export function otherCounted(quota: ResourceQuota, bare: readonly string[]): Counted[] {
  const names = new Set<string>();
  for (const name of Object.keys(quota.spec?.hard ?? {})) {
    if (name.startsWith("count/")) names.add(name.slice("count/".length));
    else if (bare.includes(name)) names.add(name);
  }
  return [...names].map((name) => {
    const [plural = "", ...group] = name.split(".");
    return { plural, group: group.join(".") };
  });
}
