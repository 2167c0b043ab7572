import { addQuantity, compareQuantity } from "@raft2kube/api/quantity.ts";
import type { Container, PodSpec } from "./pod.ts";

export type Amounts = Record<string, string>;

/** What the pod's own resources may say instead of the sum over its containers. */
const OF_PODS = /^(cpu|memory|hugepages-.*)$/;

/** Adds `more` to `sum`, in place. */
export function addAmounts(sum: Amounts, more: Readonly<Amounts> | undefined): void {
  for (const [name, amount] of Object.entries(more ?? {})) {
    sum[name] = sum[name] === undefined ? amount : addQuantity(sum[name], amount);
  }
}

function raiseTo(sum: Amounts, least: Readonly<Amounts>): void {
  for (const [name, amount] of Object.entries(least)) {
    if (sum[name] === undefined || compareQuantity(amount, sum[name]) > 0) sum[name] = amount;
  }
}

/**
 * What a pod asks for as a whole: its containers and sidecars together, or what one of its init
 * containers needs with the sidecars before it, whichever is more. Without its overhead.
 */
export function podAmounts(spec: PodSpec, which: "requests" | "limits"): Amounts {
  const of = (container: Container) => container.resources?.[which];
  const sum: Amounts = {};
  for (const container of spec.containers) addAmounts(sum, of(container));
  const sidecars: Amounts = {};
  const starting: Amounts = {};
  for (const container of spec.initContainers ?? []) {
    if (container.restartPolicy === "Always") {
      addAmounts(sum, of(container));
      addAmounts(sidecars, of(container));
      raiseTo(starting, sidecars);
      continue;
    }
    const alone = { ...sidecars };
    addAmounts(alone, of(container));
    raiseTo(starting, alone);
  }
  raiseTo(sum, starting);
  for (const [name, amount] of Object.entries(spec.resources?.[which] ?? {})) {
    if (OF_PODS.test(name)) sum[name] = amount;
  }
  return sum;
}
