import type { Container, Pod, ResourceList } from "@raft2kube/api/gen/core/v1.ts";
import { milliValueOf, valueOf } from "@raft2kube/api/quantity.ts";
import { SCORE_CPU_MILLIS, SCORE_MEMORY_BYTES } from "./limits.ts";

/** Amounts by resource name: cpu in thousandths of a core, memory in bytes, others in units. */
export type Amounts = Map<string, number>;

/** The amounts of a list of quantities. */
export function amountsOf(list: ResourceList | undefined): Amounts {
  const amounts: Amounts = new Map();
  for (const [name, quantity] of Object.entries(list ?? {})) {
    amounts.set(name, name === "cpu" ? milliValueOf(quantity) : valueOf(quantity));
  }
  return amounts;
}

/** Adds `other` to `total`, `times` times (-1 takes it away). */
export function addAmounts(total: Amounts, other: Amounts, times = 1): void {
  for (const [name, amount] of other) total.set(name, (total.get(name) ?? 0) + amount * times);
}

function raise(total: Amounts, other: Amounts): void {
  for (const [name, amount] of other) total.set(name, Math.max(total.get(name) ?? 0, amount));
}

/**
 * What a pod needs on its node: the sum of its containers and sidecars, or what its init containers
 * need at their worst moment if that is more; the pod's own requests where it has them; and
 * overhead.
 */
export function podRequests(
  pod: Pod,
  requestsOf: (container: Container) => Amounts = (c) => amountsOf(c.resources?.requests),
): Amounts {
  const running: Amounts = new Map();
  for (const container of pod.spec.containers) addAmounts(running, requestsOf(container));
  const sidecars: Amounts = new Map();
  const starting: Amounts = new Map();
  for (const container of pod.spec.initContainers ?? []) {
    const requests = requestsOf(container);
    if (container.restartPolicy === "Always") {
      addAmounts(running, requests);
      addAmounts(sidecars, requests);
      raise(starting, sidecars);
    } else {
      const moment = new Map(sidecars);
      addAmounts(moment, requests);
      raise(starting, moment);
    }
  }
  raise(running, starting);
  for (const [name, amount] of amountsOf(pod.spec.resources?.requests)) running.set(name, amount);
  addAmounts(running, amountsOf(pod.spec.overhead));
  return running;
}

/** The same for scores, where a container that asks for nothing still counts as a small one. */
export function podRequestsForScore(pod: Pod): Amounts {
  return podRequests(pod, (container) => {
    const requests = amountsOf(container.resources?.requests);
    if (!requests.has("cpu")) requests.set("cpu", SCORE_CPU_MILLIS);
    if (!requests.has("memory")) requests.set("memory", SCORE_MEMORY_BYTES);
    return requests;
  });
}
