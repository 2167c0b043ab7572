/** The quality-of-service class, fixed when a pod is created. Source: "Pod Quality of Service". */

import { addQuantity, compareQuantity, parseQuantity } from "@raft2kube/std/quantity.ts";
import type { PodQOSClass, PodSpec, ResourceRequirements } from "../../../gen/core/v1.ts";

const COUNTED = ["cpu", "memory"];

type Sums = Map<string, string>;

function add(sums: Sums, list: Record<string, string> | undefined): void {
  for (const name of COUNTED) {
    const amount = list?.[name];
    if (amount === undefined || parseQuantity(amount).nanos === 0n) continue;
    sums.set(name, addQuantity(sums.get(name) ?? "0", amount));
  }
}

function limitsBoth(resources: ResourceRequirements | undefined): boolean {
  return COUNTED.every((name) => {
    const amount = resources?.limits?.[name];
    return amount !== undefined && parseQuantity(amount).nanos > 0n;
  });
}

/**
 * The quality-of-service class. Guaranteed: all containers limit cpu and memory to their requests,
 * which default to the limits. BestEffort: no container requests either. A pod's own resources
 * count instead of its containers'.
 */
export function qosClassOf(spec: PodSpec): PodQOSClass {
  const holders =
    spec.resources !== undefined
      ? [spec.resources]
      : [...spec.containers, ...(spec.initContainers ?? [])].map((each) => each.resources);
  const requests: Sums = new Map();
  const limits: Sums = new Map();
  for (const each of holders) {
    add(requests, { ...each?.limits, ...each?.requests });
    add(limits, each?.limits);
  }
  if (requests.size === 0 && limits.size === 0) return "BestEffort";
  const equal =
    requests.size === limits.size &&
    [...requests].every(([name, amount]) => compareQuantity(amount, limits.get(name) ?? "0") === 0);
  return holders.every(limitsBoth) && equal ? "Guaranteed" : "Burstable";
}
