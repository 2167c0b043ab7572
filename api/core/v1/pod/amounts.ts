/** The resources of a whole pod, as quotas and limit ranges count them. */
import { addQuantity, compareQuantity } from "@raft2kube/std/quantity.ts";
import type { Container, Pod } from "../../../gen/core/v1.ts";

/** Quantities by the name of the resource. */
export type Amounts = Record<string, string>;

interface Asking {
  readonly resources?: { readonly requests?: Amounts; readonly limits?: Amounts };
}

/** The part of a pod's spec that says what it needs. */
interface Spec extends Asking {
  readonly containers: readonly Asking[];
  readonly initContainers?: readonly (Asking & { readonly restartPolicy?: string })[];
}

/** Whether a pod itself may set a resource, instead of the sum over its containers. */
export function isPodLevelResource(name: string): boolean {
  return /^(cpu|memory|hugepages-.*)$/.test(name);
}

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
 * Returns the requests or limits of a pod as a whole: the sum over its containers and sidecars, or
 * those of one init container with the sidecars before it, whichever is more; what the pod itself
 * sets replaces these. Without its overhead.
 */
export function podAmounts(spec: Spec, which: "requests" | "limits"): Amounts {
  const sum = containersAmounts(spec, which);
  for (const [name, amount] of Object.entries(spec.resources?.[which] ?? {})) {
    if (isPodLevelResource(name)) sum[name] = amount;
  }
  return sum;
}

/** The same as podAmounts, without the pod's own resources. */
export function containersAmounts(spec: Spec, which: "requests" | "limits"): Amounts {
  const of = (container: Asking) => container.resources?.[which];
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
  return sum;
}

/**
 * A pod's spec with the resources of its containers and sidecars while a resize is under way: the
 * largest of the requested, allocated and actual ones; without the request when the node cannot
 * grant it (upstream's UseStatusResources).
 */
export function resizedSpec({ spec, status }: Pod): Pod["spec"] {
  const { containerStatuses = [], initContainerStatuses = [], conditions = [] } = status ?? {};
  const known = new Map(
    [...initContainerStatuses, ...containerStatuses].map((each) => [each.name, each]),
  );
  const pending = conditions.find(({ type }) => type === "PodResizePending");
  const asked = pending?.reason !== "Infeasible";
  const resized = (container: Container): Container => {
    const { resources, allocatedResources } = known.get(container.name) ?? {};
    if (resources === undefined) return container;
    const requests = { ...resources.requests };
    const limits = { ...resources.limits };
    raiseTo(requests, allocatedResources ?? {});
    if (asked) raiseTo(requests, container.resources?.requests ?? {});
    if (asked) raiseTo(limits, container.resources?.limits ?? {});
    return { ...container, resources: { ...container.resources, requests, limits } };
  };
  const { containers, initContainers } = spec;
  return {
    ...spec,
    containers: containers.map(resized),
    ...(initContainers && {
      initContainers: initContainers.map((each) =>
        each.restartPolicy === "Always" ? resized(each) : each,
      ),
    }),
  };
}
