import { type Amounts, addAmounts } from "@raft2kube/api/core/v1/pod/amounts.ts";
import { covers } from "@raft2kube/api/core/v1/quota/scopes.ts";
import {
  type Counted,
  chargedUntil,
  countName,
  usageOf,
} from "@raft2kube/api/core/v1/quota/usage.ts";
import type { Pod, ResourceQuota, ResourceQuotaStatus } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { addQuantity, compareQuantity, subtractQuantity } from "@raft2kube/std/quantity.ts";
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

/**
 * Returns the usage of what is counted by lists, in a status that was just counted. `listed` is the
 * quota as it was before the lists: what admission has charged since may be missing in them, and is
 * added. Without lists the usage stays as the quota has it.
 */
export function listedUsage(
  { used = {} }: ResourceQuotaStatus,
  others: readonly Counted[],
  { quota, listed }: { quota: ResourceQuota; listed: ResourceQuota | undefined },
): Amounts {
  const usage: Amounts = {};
  for (const name of others.flatMap(namesOf)) {
    const counted = used[name];
    if (counted === undefined) continue;
    const now = quota.status?.used?.[name] ?? "0";
    const charged = subtractQuantity(now, listed?.status?.used?.[name] ?? now);
    if (!listed) usage[name] = now;
    else if (compareQuantity(charged, "0") > 0) usage[name] = addQuantity(counted, charged);
  }
  return usage;
}

/** Whether a quota has no usage yet of something that is counted by lists. */
export function isUncounted({ spec, status }: ResourceQuota, others: readonly Counted[]): boolean {
  const limited = others.flatMap(namesOf).filter((name) => spec?.hard?.[name] !== undefined);
  return limited.some((name) => status?.used?.[name] === undefined);
}

const namesOf = (counted: Counted): string[] =>
  counted.group === "" ? [countName(counted), counted.plural] : [countName(counted)];

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
