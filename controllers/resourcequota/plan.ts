import { type Amounts, addAmounts } from "@raft2kube/api/core/v1/pod/amounts.ts";
import { coversPod, isScoped } from "@raft2kube/api/core/v1/quota/scopes.ts";
import { type Counted, usageOf } from "@raft2kube/api/core/v1/quota/usage.ts";
import type { Pod, ResourceQuota, ResourceQuotaStatus } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { Slices } from "@raft2kube/std/slices.ts";

/** Objects of one resource in the quota's namespace. */
export interface Held extends Counted {
  readonly objects: readonly KubeObject[];
}

/**
 * Returns a quota's status: its limits, and their usage by the existing objects, which are counted
 * in slices. Of each only what the quota limits is kept.
 */
export async function statusOf(
  quota: ResourceQuota,
  held: readonly Held[],
): Promise<ResourceQuotaStatus> {
  const hard = quota.spec?.hard ?? {};
  const names = Object.keys(hard);
  const sum: Amounts = {};
  const slices = new Slices();
  for (const { objects, ...counted } of held) {
    const isPods = counted.group === "" && counted.plural === "pods";
    for (const object of objects) {
      if (slices.due) await slices.pause();
      const covered = isPods ? coversPod(quota, object as Pod & KubeObject) : !isScoped(quota);
      if (!covered) continue;
      const usage = usageOf(counted, object);
      const limited = names.filter((name) => usage[name] !== undefined);
      addAmounts(sum, Object.fromEntries(limited.map((name) => [name, usage[name]!])));
    }
  }
  const used = Object.fromEntries(names.map((name) => [name, sum[name] ?? "0"]));
  return { hard, used };
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
