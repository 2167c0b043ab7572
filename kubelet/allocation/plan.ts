import type { Container, Pod, ResourceRequirements } from "@raft2kube/api/gen/core/v1.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import type { LinuxContainerResources } from "@raft2kube/proto/gen/cri.ts";
import {
  type ComputeResources,
  computeResources,
  effectiveResources,
  podResources,
} from "../containers/qos.ts";
import { linuxResources } from "../containers/resources.ts";
import { changedResources, POD, resizableContainers, withResources } from "./resources.ts";

/**
 * Whether a resized container has to be started again for its new resources. `before` has the
 * limits of its pod, too.
 */
export function needsRestart(
  pod: Pod,
  container: Container,
  before: ResourceRequirements,
): boolean {
  return changedResources(before, effectiveResources(pod, container)).some((name) =>
    (container.resizePolicy ?? []).some(
      (each) => each.resourceName === name && each.restartPolicy === "RestartContainer",
    ),
  );
}

export interface ContainerUpdate {
  name: string;
  before: ResourceRequirements;
  after: ResourceRequirements;
  /** Limits that change, in CRI's form; none does with a request of memory. */
  limits: Init<LinuxContainerResources>;
}

/** The resize of a pod whose spec or running containers differ from the allocated resources. */
export interface ResizePlan {
  /** Whether the pod or a running container still has other resources than those allocated. */
  inProgress: boolean;
  /** Whether some of them have to be restarted. */
  restarts: boolean;
  /** Containers to update while they run. */
  updates: ContainerUpdate[];
  /** The names that have what is allocated once the updates and the pod's limits are made. */
  actuated: string[];
  /** The pod's limits before, and those allocated. */
  podBefore: ComputeResources;
  podAfter: ComputeResources;
}

/**
 * Plans how the pod and its running containers get the resources allocated to `pod`. `before`
 * returns what they have instead. Pure.
 */
export function planResize(
  pod: Pod,
  running: ReadonlySet<string>,
  before: (name: string) => ResourceRequirements | undefined,
): ResizePlan {
  const resized = resizableContainers(pod).flatMap((container) => {
    const old = running.has(container.name) ? before(container.name) : undefined;
    return old ? [{ container, before: old }] : [];
  });
  const updates = resized
    .filter((one) => !needsRestart(pod, one.container, one.before))
    .map((one) => updateOf(pod, one.container, one.before));
  const restarts = updates.length < resized.length;
  const own = before(POD);
  const old = Object.fromEntries(resized.map((one) => [one.container.name, one.before]));
  return {
    inProgress: resized.length > 0 || own !== undefined,
    restarts,
    updates,
    actuated: [...updates.map(({ name }) => name), ...(own && !restarts ? [POD] : [])],
    podBefore: podResources(withResources(pod, { ...old, ...(own && { [POD]: own }) })),
    podAfter: podResources(pod),
  };
}

/**
 * The update of one container: limits that differ from the present ones, as crun 1.8 fails when it
 * lifts a quota that does not exist.
 */
function updateOf(pod: Pod, container: Container, before: ResourceRequirements): ContainerUpdate {
  const after = effectiveResources(pod, container);
  const old = linuxResources(computeResources(before));
  const { cpuShares, cpuQuota, cpuPeriod, memoryLimitInBytes } = linuxResources(
    computeResources(after),
  );
  const limits = {
    ...(cpuShares !== old.cpuShares && { cpuShares }),
    ...(cpuQuota !== old.cpuQuota && { cpuQuota, cpuPeriod }),
    ...(memoryLimitInBytes !== old.memoryLimitInBytes && { memoryLimitInBytes }),
  };
  return { name: container.name, before, after, limits };
}

/** Memory in use, in bytes; undefined when it is not known. */
export interface MemoryUsage {
  pod: number | undefined;
  container(name: string): number | undefined;
}

/**
 * Returns the containers whose memory limit goes down, and the pod, with the new limit in bytes.
 * The pod's goes down only after containers that need a restart have had it.
 */
export function loweredLimits({ updates, restarts, podBefore, podAfter }: ResizePlan) {
  const containers = updates.flatMap(({ name, before, after }) => {
    const { memoryLimit_bytes: was } = computeResources(before);
    const { memoryLimit_bytes: limit } = computeResources(after);
    return limit !== undefined && limit < (was ?? Infinity) ? [{ name, limit }] : [];
  });
  const limit = podAfter.memoryLimit_bytes;
  const lower = limit !== undefined && limit < (podBefore.memoryLimit_bytes ?? Infinity);
  return { pod: lower && !restarts ? limit : undefined, containers };
}

/**
 * Returns why memory limits cannot go down, in upstream's words: the kernel would kill a container
 * that uses more. Undefined when they can.
 */
export function refuseLowering(plan: ResizePlan, usage: MemoryUsage): string | undefined {
  const { pod, containers } = loweredLimits(plan);
  const problems: string[] = [];
  const check = (limit: number, used: number | undefined, target: string, of: string) => {
    if (used === undefined) problems.push(`missing ${of}`);
    else if (used >= limit) {
      const text = `attempting to set ${target} memory limit (${limit}) below current usage`;
      problems.push(`${text} (${used})`);
    }
  };
  if (pod !== undefined) check(pod, usage.pod, "pod", "pod memory usage");
  for (const { name, limit } of containers) {
    const target = `container "${name}"`;
    check(limit, usage.container(name), target, `memory usage for ${target}`);
  }
  if (problems.length === 0) return undefined;
  const text = problems.length === 1 ? problems[0] : `[${problems.join(", ")}]`;
  return `cannot decrease memory limits: ${text}`;
}
