import type { CgroupUsage } from "@raft2kube/linux/cgroup/cgroup.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import type {
  ContainerFilter,
  ContainerStats,
  CpuUsage,
  FilesystemUsage,
  MemoryUsage,
} from "@raft2kube/proto/gen/cri.ts";
import type { Base, DiskUse, Machine, Records } from "../ports.ts";
import { nanoseconds } from "../time.ts";
import type { ContainerRecord } from "./record.ts";
import { selectContainers } from "./status.ts";

/** Returns a cgroup's CPU usage in CRI's form. */
export function cpuUsage(usage: CgroupUsage, timestamp: bigint): Init<CpuUsage> {
  return { timestamp, usageCoreNanoSeconds: { value: usage.cpu_ns } };
}

/** Returns a cgroup's memory usage in CRI's form. */
export function memoryUsage({ memory }: CgroupUsage, timestamp: bigint): Init<MemoryUsage> {
  const { limit_bytes, workingSet_bytes } = memory;
  const available = limit_bytes === undefined ? undefined : limit_bytes - workingSet_bytes;
  return {
    timestamp,
    workingSetBytes: { value: workingSet_bytes },
    ...(available !== undefined && { availableBytes: { value: Math.max(0, available) } }),
    usageBytes: { value: memory.usage_bytes },
    rssBytes: { value: memory.rss_bytes },
    pageFaults: { value: memory.pageFaults },
    majorPageFaults: { value: memory.majorPageFaults },
  };
}

/** Returns the disk usage of a directory in CRI's form. */
export async function folderUsage(
  runtime: DiskUse,
  directory: string,
  mountpoint: string,
): Promise<Init<FilesystemUsage>> {
  const usage = await runtime.diskUsages.get(directory);
  return {
    timestamp: nanoseconds(usage.measuredAt_ms),
    fsId: { mountpoint },
    usedBytes: { value: usage.used_bytes },
    inodesUsed: { value: usage.inodes },
  };
}

/** ContainerStats. One that does not run has no CPU and memory, but still its written files. */
export async function containerStats(
  runtime: Base & Machine & DiskUse,
  record: ContainerRecord,
): Promise<Init<ContainerStats>> {
  const { id, config, cgroup } = record;
  const timestamp = nanoseconds(runtime.clock.now());
  const usage = record.phase.state === "running" ? runtime.cgroups.usage(cgroup) : undefined;
  const { upper } = runtime.paths.container(id);
  return {
    attributes: {
      id,
      metadata: config.metadata,
      labels: config.labels,
      annotations: config.annotations,
    },
    ...(usage && { cpu: cpuUsage(usage, timestamp), memory: memoryUsage(usage, timestamp) }),
    writableLayer: await folderUsage(runtime, upper, runtime.paths.root),
  };
}

/**
 * Returns statistics of the containers that pass a filter, including ended ones, as containerd:
 * their writable layers take space until they are removed.
 */
export async function listContainerStats(
  runtime: Base & Records & Machine & DiskUse,
  filter: Partial<ContainerFilter> | undefined,
): Promise<Init<ContainerStats>[]> {
  const records = selectContainers(runtime.containers.values(), filter);
  return Promise.all(records.map((record) => containerStats(runtime, record)));
}
