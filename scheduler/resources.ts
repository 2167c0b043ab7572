import type {
  Container,
  ContainerStatus,
  Pod,
  PodStatus,
  ResourceList,
} from "@raft2kube/api/gen/core/v1.ts";
import { milliValueOf, valueOf } from "@raft2kube/std/quantity.ts";
import { SCORE_CPU_MILLIS, SCORE_MEMORY_BYTES } from "./limits.ts";

/** Amounts by resource name: cpu in thousandths of a core, memory in bytes, others in units. */
export type Amounts = Map<string, number>;

/** Converts a list of quantities. */
export function amountsOf(list: ResourceList | undefined): Amounts {
  const amounts: Amounts = new Map();
  for (const [name, quantity] of Object.entries(list ?? {})) {
    amounts.set(name, name === "cpu" ? milliValueOf(quantity) : valueOf(quantity));
  }
  return amounts;
}

/** Adds `other` times `times` to `total`; -1 subtracts. */
export function addAmounts(total: Amounts, other: Amounts, times = 1): void {
  for (const [name, amount] of other) total.set(name, (total.get(name) ?? 0) + amount * times);
}

/** Raises each amount of `total` to that of `other`. */
function setMax(total: Amounts, other: Amounts): void {
  for (const [name, amount] of other) total.set(name, Math.max(total.get(name) ?? 0, amount));
}

/**
 * Returns a pod's requests: per resource the sum of its containers and sidecars, or the highest
 * sum while its init containers run if that is more; pod-level requests replace these; overhead is
 * added.
 */
export function podRequests(
  pod: Pod,
  requestsOf: (container: Container) => Amounts = (c) => containerRequests(pod, c),
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
      setMax(starting, sidecars);
    } else {
      const during = new Map(sidecars);
      addAmounts(during, requests);
      setMax(starting, during);
    }
  }
  setMax(running, starting);
  const own = amountsOf(pod.spec.resources?.requests);
  const reserved = reservedRequests(pod, own, pod.status);
  for (const name of own.keys()) running.set(name, reserved.get(name) ?? 0);
  addAmounts(running, amountsOf(pod.spec.overhead));
  return running;
}

function containerRequests(pod: Pod, container: Container): Amounts {
  return reservedRequests(pod, amountsOf(container.resources?.requests), statusOf(pod, container));
}

/**
 * Returns the requests of a container, or of a pod as a whole. While a resize is under way they are
 * the largest of those that the spec desires, the node has allocated, and the status says it has;
 * an infeasible resize does not count.
 */
function reservedRequests(
  pod: Pod,
  desired: Amounts,
  status: Pick<PodStatus, "resources" | "allocatedResources"> | undefined,
): Amounts {
  if (!status?.resources) return desired;
  const requests = amountsOf(status.resources.requests);
  setMax(requests, amountsOf(status.allocatedResources));
  if (!isInfeasible(pod)) setMax(requests, desired);
  return requests;
}

function statusOf({ status = {} }: Pod, { name }: Container): ContainerStatus | undefined {
  const isOwn = (each: ContainerStatus) => each.name === name;
  return status.containerStatuses?.find(isOwn) ?? status.initContainerStatuses?.find(isOwn);
}

function isInfeasible({ status }: Pod): boolean {
  return (status?.conditions ?? []).some(
    ({ type, reason }) => type === "PodResizePending" && reason === "Infeasible",
  );
}

/** Whether a pod requests less of something than before. */
export function requestsLess(now: Amounts, before: Amounts): boolean {
  return [...before].some(([name, amount]) => (now.get(name) ?? 0) < amount);
}

/** Returns the requests for scores, with a minimum for containers without requests. */
export function podRequestsForScore(pod: Pod): Amounts {
  return podRequests(pod, (container) => {
    const requests = containerRequests(pod, container);
    if (!requests.has("cpu")) requests.set("cpu", SCORE_CPU_MILLIS);
    if (!requests.has("memory")) requests.set("memory", SCORE_MEMORY_BYTES);
    return requests;
  });
}
