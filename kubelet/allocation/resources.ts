import type {
  Container,
  Pod,
  ResourceList,
  ResourceRequirements,
} from "@raft2kube/api/gen/core/v1.ts";
import { given } from "@raft2kube/std/given.ts";
import { compareQuantity } from "@raft2kube/std/quantity.ts";
import { effectiveResources } from "../containers/qos.ts";

/** The name of the pod itself among its containers, which all have one. */
export const POD = "";

/** Resources by container name; the pod's own by `POD`. */
export type ResourcesByName = Readonly<Record<string, ResourceRequirements>>;

/** Resources that a resize may change. */
const RESIZABLE = ["cpu", "memory"] as const;
export type ResizableResource = (typeof RESIZABLE)[number];

/** Returns the containers whose resources may change while they run: not ephemeral ones. */
export function resizableContainers({ spec }: Pod): Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers];
}

/** Returns the requests and limits that a resize may change: a pod may have 4,096 of others. */
function resizablePart({ requests, limits }: ResourceRequirements): ResourceRequirements {
  const part = (list: ResourceList | undefined) =>
    list &&
    Object.fromEntries(RESIZABLE.flatMap((name) => (list[name] ? [[name, list[name]]] : [])));
  return given({ requests: part(requests), limits: part(limits) });
}

/** Returns resources with the cpu and memory of others in the place of their own. */
export function withResizable(
  { requests, limits, ...rest }: ResourceRequirements,
  others: ResourceRequirements,
): ResourceRequirements {
  const part = resizablePart(others);
  const list = (own: ResourceList = {}, other: ResourceList | undefined) => {
    const { cpu: _cpu, memory: _memory, ...kept } = own;
    const all = { ...kept, ...other };
    return Object.keys(all).length > 0 ? all : undefined;
  };
  return {
    ...rest,
    ...given({ requests: list(requests, part.requests), limits: list(limits, part.limits) }),
  };
}

/**
 * Returns the pod with the cpu and memory of these resources; a container that is not named keeps
 * those of its spec, and the pod its own.
 */
export function withResources(pod: Pod, byName: ResourcesByName): Pod {
  const names = new Set(Object.keys(byName));
  if (![POD, ...resizableContainers(pod).map(({ name }) => name)].some((one) => names.has(one))) {
    return pod;
  }
  const replaced = (container: Container) =>
    names.has(container.name)
      ? {
          ...container,
          resources: withResizable(container.resources ?? {}, byName[container.name]!),
        }
      : container;
  const { initContainers, containers, resources } = pod.spec;
  const own = byName[POD] ? withResizable(resources ?? {}, byName[POD]) : resources;
  return {
    ...pod,
    spec: {
      ...pod.spec,
      ...(own ? { resources: own } : {}),
      ...(initContainers ? { initContainers: initContainers.map(replaced) } : {}),
      containers: containers.map(replaced),
    },
  };
}

/** Returns what of a pod may be resized, as its spec has it. */
export function resourcesOf(pod: Pod): ResourcesByName {
  const own = pod.spec.resources;
  const containers = resizableContainers(pod).map(({ name, resources = {} }) => {
    return [name, resizablePart(resources)];
  });
  return { ...(own ? { [POD]: resizablePart(own) } : {}), ...Object.fromEntries(containers) };
}

/** The same as resourcesOf, with the limits that containers have from their pod. */
export function effectiveResourcesOf(pod: Pod): ResourcesByName {
  const containers = resizableContainers(pod);
  const entries = containers.map((one) => [one.name, resizablePart(effectiveResources(pod, one))]);
  return { ...resourcesOf(pod), ...Object.fromEntries(entries) };
}

/** Returns the resources whose request or limit differ, as amounts and not as texts. */
export function changedResources(
  before: ResourceRequirements | undefined,
  after: ResourceRequirements | undefined,
): ResizableResource[] {
  return RESIZABLE.filter((name) =>
    (["requests", "limits"] as const).some((list) => {
      const [a, b] = [before?.[list]?.[name], after?.[list]?.[name]];
      if (a === undefined || b === undefined) return a !== b;
      return compareQuantity(a, b) !== 0;
    }),
  );
}

/** Returns the containers whose cpu or memory differ, by name, and `POD` if the pod's own do. */
export function resizedNames(before: Pod, after: Pod): string[] {
  const old = effectiveResourcesOf(before);
  return Object.entries(effectiveResourcesOf(after)).flatMap(([name, resources]) =>
    old[name] && changedResources(old[name], resources).length > 0 ? [name] : [],
  );
}
