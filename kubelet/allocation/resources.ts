import type { Container, Pod, ResourceRequirements } from "@raft2kube/api/gen/core/v1.ts";
import { compareQuantity } from "@raft2kube/std/quantity.ts";
import { isRestartableInit } from "../pods/pod-identity.ts";

/** Resources by container name. */
export type ContainerResources = Readonly<Record<string, ResourceRequirements>>;

/** Resources that a resize may change. */
const RESIZABLE = ["cpu", "memory"] as const;
export type ResizableResource = (typeof RESIZABLE)[number];

/** Returns the containers whose resources may change while they run: not init steps. */
export function resizableContainers({ spec }: Pod): Container[] {
  return [...(spec.initContainers ?? []).filter(isRestartableInit), ...spec.containers];
}

/** Returns the pod with these resources; a container that is not named keeps those of its spec. */
export function withResources(pod: Pod, resources: ContainerResources): Pod {
  const names = new Set(Object.keys(resources));
  if (!resizableContainers(pod).some(({ name }) => names.has(name))) return pod;
  const replaced = (container: Container) =>
    names.has(container.name) ? { ...container, resources: resources[container.name]! } : container;
  const { initContainers, containers } = pod.spec;
  const steps = initContainers?.map((one) => (isRestartableInit(one) ? replaced(one) : one));
  return {
    ...pod,
    spec: {
      ...pod.spec,
      ...(steps ? { initContainers: steps } : {}),
      containers: containers.map(replaced),
    },
  };
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

/** Returns the names of the containers whose cpu or memory differ between two versions. */
export function resizedContainers(before: Pod, after: Pod): string[] {
  const old = resizableContainers(before);
  return resizableContainers(after).flatMap(({ name, resources }) => {
    const was = old.find((one) => one.name === name);
    return was && changedResources(was.resources, resources).length > 0 ? [name] : [];
  });
}
