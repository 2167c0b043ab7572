import {
  addAmounts as addQuantities,
  podAmounts,
  resizedSpec,
} from "@raft2kube/api/core/v1/pod/amounts.ts";
import type { Container, Pod, PodSpec, ResourceList } from "@raft2kube/api/gen/core/v1.ts";
import { milliValueOf, valueOf } from "@raft2kube/std/quantity.ts";
import { SCORE_CPU, SCORE_MEMORY } from "./limits.ts";

/** Amounts by resource name: cpu in thousandths of a core, memory in bytes, others in units. */
export type Amounts = Map<string, number>;

/** Converts a list of quantities; one of 0 is left out. */
export function amountsOf(list: ResourceList | undefined): Amounts {
  const amounts: Amounts = new Map();
  for (const [name, quantity] of Object.entries(list ?? {})) {
    const amount = name === "cpu" ? milliValueOf(quantity) : valueOf(quantity);
    if (amount !== 0) amounts.set(name, amount);
  }
  return amounts;
}

/** Adds `other` times `times` to `total`; -1 subtracts. */
export function addAmounts(total: Amounts, other: Amounts, times = 1): void {
  for (const [name, amount] of other) total.set(name, (total.get(name) ?? 0) + amount * times);
}

/**
 * Returns a pod's requests, or another list of its amounts: per resource the sum of its containers
 * and sidecars, or the highest sum while its init containers run if that is more; pod-level ones
 * replace these; overhead is added. While a resize is under way the largest of them count.
 */
export function podRequests(pod: Pod, which: "requests" | "limits" = "requests"): Amounts {
  return wholeOf(resizedSpec(pod), which);
}

function wholeOf(spec: PodSpec, which: "requests" | "limits"): Amounts {
  const amounts = podAmounts(spec, which);
  addQuantities(amounts, spec.overhead);
  return amountsOf(amounts);
}

/** Whether a pod requests less of something than before. */
export function requestsLess(now: Amounts, before: Amounts): boolean {
  return [...before].some(([name, amount]) => (now.get(name) ?? 0) < amount);
}

/** Returns the requests for scores, with a minimum for containers without requests. */
export function podRequestsForScore(pod: Pod): Amounts {
  const spec = resizedSpec(pod);
  const asking = (container: Container): Container => {
    const { cpu = SCORE_CPU, memory = SCORE_MEMORY } = container.resources?.requests ?? {};
    return { ...container, resources: { requests: { cpu, memory } } };
  };
  const { containers, initContainers = [] } = spec;
  const assumed = {
    containers: containers.map(asking),
    initContainers: initContainers.map(asking),
  };
  return wholeOf({ ...spec, ...assumed }, "requests");
}
