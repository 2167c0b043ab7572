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
} from "./qos.ts";

/** Returns requests and limits in CRI's form. Memory 0 and quota -1 mean no limit. */
export function linuxResources(compute: ComputeResources): Init<LinuxContainerResources> {
  return {
    cpuPeriod: CPU_PERIOD_US,
    cpuQuota: cpuQuota_us(compute.cpuLimit_milli),
    cpuShares: cpuShares(compute.cpuRequest_milli),
    memoryLimitInBytes: compute.memoryLimit_bytes ?? 0,
  };
}

/** Returns a container's resources with its oom_score_adj; the pod's limits are the most it has. */
export function containerLinuxResources(
  pod: Pod,
  container: Container,
  nodeMemory_bytes: number,
): Init<LinuxContainerResources> {
  return {
    ...linuxResources(computeResources(effectiveResources(pod, container))),
    oomScoreAdj: oomScoreAdjOf(pod, container, nodeMemory_bytes),
  };
}
