import { existsSync, readFileSync } from "node:fs";
import type { Cgroups } from "@raft2kube/linux/cgroup/cgroup.ts";
import { inUserNamespace, readMappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import type { LinuxContainerResources } from "@raft2kube/proto/gen/cri.ts";
import { RuntimeError } from "../errors.ts";
import type { OciDeviceRule, OciLinux, OciResources } from "./spec.ts";

/** Swap is counted on v1 only when the kernel was started so. */
function countsSwap(cgroupVersion: 1 | 2): boolean {
  return cgroupVersion === 2 || existsSync("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes");
}

/** CRI's limits in the OCI runtime spec's words; zero means "not set" in CRI. */
export function resourcesFor(
  limits: Partial<LinuxContainerResources> | undefined,
  options: {
    cgroupVersion: 1 | 2 | "none";
    deviceRules?: OciDeviceRule[];
    /**
     * Whether the cgroup is new and has no quota: -1 means no quota, and crun 1.8 would write 2^64
     * - 1.
     */
    fresh?: boolean;
  },
): OciResources {
  if (options.cgroupVersion === "none") return {};
  const { cpuShares, cpuQuota, cpuPeriod, cpusetCpus, cpusetMems } = limits ?? {};
  const { memoryLimitInBytes, memorySwapLimitInBytes, hugepageLimits, unified } = limits ?? {};
  const huge = hugepageLimits?.find(({ limit }) => limit > 0);
  if (huge) throw new RuntimeError("unimplemented", `hugepages-${huge.pageSize} is not supported`);
  const swap = memorySwapLimitInBytes && countsSwap(options.cgroupVersion);
  const hasUnified = unified !== undefined && Object.keys(unified).length > 0;
  if (hasUnified && options.cgroupVersion === 1) {
    throw new RuntimeError("failed-precondition", "unified resources need cgroup v2");
  }
  const cpu: NonNullable<OciResources["cpu"]> = {
    ...(cpuShares && { shares: cpuShares }),
    ...(cpuQuota && !(options.fresh && cpuQuota < 0) && { quota: cpuQuota }),
    ...(cpuPeriod && { period: cpuPeriod }),
    ...(cpusetCpus && { cpus: cpusetCpus }),
    ...(cpusetMems && { mems: cpusetMems }),
  };
  return {
    ...(options.deviceRules && { devices: options.deviceRules }),
    ...(Object.keys(cpu).length > 0 && { cpu }),
    ...(memoryLimitInBytes && {
      memory: { limit: memoryLimitInBytes, ...(swap && { swap: memorySwapLimitInBytes }) },
    }),
    ...(hasUnified && { unified }),
  };
}

/**
 * The OOM score adjustment that can be set: lowering it below one's own needs CAP_SYS_RESOURCE
 * (proc(5)), which machines in containers and small virtual machines often lack. One that was
 * given within a user namespace does not count.
 */
export function clampOomScore(wanted: number, own: ReadonlySet<string>): number {
  if (own.has("CAP_SYS_RESOURCE") && !inUserNamespace(readMappedIds())) return wanted;
  return Math.max(wanted, Number(readFileSync("/proc/self/oom_score_adj", "utf8")));
}

/** A container's place among cgroups and its limits there; empty where there are none. */
export function cgroupOf(
  { cgroups }: { cgroups: Cgroups },
  cgroupsPath: string,
  resources: OciResources,
): Pick<OciLinux, "cgroupsPath" | "resources"> {
  return cgroups.version === "none" ? { resources: {} } : { cgroupsPath, resources };
}
