/** The resources of a whole pod, as quotas and limit ranges count them. */
import { addQuantity, compareQuantity } from "@raft2kube/std/quantity.ts";
import type { Container, ContainerStatus, Pod } from "../../../gen/core/v1.ts";

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
  for (const [name, amount] of Object.entries(least)) raise(sum, name, amount);
}

function raise(sum: Amounts, name: string, least: string): void {
  const before = sum[name];
  if (before === least) return;
  if (before === undefined || compareQuantity(least, before) > 0) sum[name] = least;
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
  const sum: Amounts = {};
  for (const { resources } of spec.containers) addAmounts(sum, resources?.[which]);
  const sidecars: Amounts = {};
  const starting: Amounts = {};
  for (const { restartPolicy, resources } of spec.initContainers ?? []) {
    // Of other names the step has no more than the sidecars before it, which are counted.
    for (const [name, amount] of Object.entries(resources?.[which] ?? {})) {
      const before = sidecars[name];
      const during = before === undefined ? amount : addQuantity(before, amount);
      if (restartPolicy === "Always") sidecars[name] = during;
      raise(starting, name, during);
    }
  }
  addAmounts(sum, sidecars);
  raiseTo(sum, starting);
  return sum;
}

/**
 * A pod's spec with its resources and those of its containers and sidecars while a resize is under
 * way: the largest of the requested, allocated and actual ones; without the request when the node
 * cannot grant it (upstream's UseStatusResources).
 */
export function resizedSpec({ spec, status }: Pod): Pod["spec"] {
  const { containerStatuses = [], initContainerStatuses = [], conditions = [] } = status ?? {};
  const known = new Map(
    [...initContainerStatuses, ...containerStatuses].map((each) => [each.name, each]),
  );
  const pending = conditions.find(({ type }) => type === "PodResizePending");
  const asked = pending?.reason !== "Infeasible";
  const resized = (container: Container): Container => {
    const resources = largest(container.resources, known.get(container.name), asked);
    return resources ? { ...container, resources } : container;
  };
  const { containers, initContainers, resources } = spec;
  const own = largest(resources, status, asked);
  // The status of a pod names resources that only its containers set, too.
  const ofPod = (which: "requests" | "limits") => {
    const names = Object.keys(resources?.[which] ?? {});
    return Object.fromEntries(names.map((name) => [name, own?.[which]?.[name] ?? "0"]));
  };
  return {
    ...spec,
    containers: containers.map(resized),
    ...(initContainers && {
      initContainers: initContainers.map((each) =>
        each.restartPolicy === "Always" ? resized(each) : each,
      ),
    }),
    ...(resources && { resources: { requests: ofPod("requests"), limits: ofPod("limits") } }),
  };
}

type Resources = Container["resources"];

function largest(
  desired: Resources,
  status: Pick<ContainerStatus, "resources" | "allocatedResources"> | undefined,
  asked: boolean,
): Resources {
  if (status?.resources === undefined) return desired;
  const requests = { ...status.resources.requests };
  const limits = { ...status.resources.limits };
  raiseTo(requests, status.allocatedResources ?? {});
  if (asked) raiseTo(requests, desired?.requests ?? {});
  if (asked) raiseTo(limits, desired?.limits ?? {});
  return { ...desired, requests, limits };
}
