import { type Amounts, addAmounts } from "@raft2kube/api/core/v1/pod/amounts.ts";
import { coversPod, isScoped } from "@raft2kube/api/core/v1/quota/scopes.ts";
import { type Counted, usageOf } from "@raft2kube/api/core/v1/quota/usage.ts";
import type { Pod, ResourceQuota, ResourceQuotaStatus } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";

/** Objects of one resource in the quota's namespace. */
export interface Held extends Counted {
  readonly objects: readonly KubeObject[];
}

/** A quota's status: its limits, and their usage by the existing objects. */
export function statusOf(quota: ResourceQuota, held: readonly Held[]): ResourceQuotaStatus {
  const hard = quota.spec?.hard ?? {};
  const sum: Amounts = {};
  for (const { objects, ...counted } of held) {
    const isPods = counted.group === "" && counted.plural === "pods";
    for (const object of objects) {
      const covered = isPods ? coversPod(quota, object as Pod & KubeObject) : !isScoped(quota);
      if (covered) addAmounts(sum, usageOf(counted, object));
    }
  }
  const used = Object.fromEntries(Object.keys(hard).map((name) => [name, sum[name] ?? "0"]));
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
