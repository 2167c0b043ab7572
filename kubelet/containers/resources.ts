import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import type { LinuxContainerResources } from "@raft2kube/proto/gen/cri.ts";
import {
  type ComputeResources,
  CPU_PERIOD_US,
  computeResources,
  cpuQuota_us,
  cpuShares,
  effectiveResources,
  oomScoreAdjOf,
  podResources,
} from "./qos.ts";

/** Returns requests and limits in CRI's form. Memory 0 and quota -1 mean no limit. */
export const linuxResources = (compute: ComputeResources): Init<LinuxContainerResources> => ({
  cpuPeriod: CPU_PERIOD_US,
  cpuQuota: cpuQuota_us(compute.cpuLimit_milli),
  cpuShares: cpuShares(compute.cpuRequest_milli),
  memoryLimitInBytes: compute.memoryLimit_bytes ?? 0,
});

/** Returns a pod's resources in CRI's form: what its overhead takes is apart, as upstream's. */
export function sandboxResources(pod: Pod) {
  const { overhead, ...spec } = pod.spec;
  const resources = linuxResources(podResources({ ...pod, spec }));
  if (overhead === undefined) return { resources };
  const apart = computeResources({ requests: overhead, limits: overhead });
  return { resources, overhead: linuxResources(apart) };
}

/** Facts of the node on which a container's end for lack of memory depends. */
export interface NodeMemory {
  readonly memory_bytes: number;
  /** Whether all processes of a cgroup may end together (cgroup v2). */
  readonly oomGroups: boolean;
}

/**
 * Returns a container's resources with its oom_score_adj; the pod's limits are the most it has. Its
 * processes end together for lack of memory, where they can: it would go on without one of them.
 */
export const containerLinuxResources = (
  pod: Pod,
  container: Container,
  { memory_bytes, oomGroups }: NodeMemory,
): Init<LinuxContainerResources> => ({
  ...linuxResources(computeResources(effectiveResources(pod, container))),
  oomScoreAdj: oomScoreAdjOf(pod, container, memory_bytes),
  ...(oomGroups && { unified: { "memory.oom.group": "1" } }),
});
