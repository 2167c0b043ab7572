import type { TreeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import type { CgroupUsage } from "@raft2kube/linux/cgroup/cgroup.ts";
import type { Pressure, Stalls } from "@raft2kube/linux/proc/pressure.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import type {
  ContainerFilter,
  ContainerStats,
  CpuUsage,
  MemoryUsage,
} from "@raft2kube/proto/gen/cri.ts";
import { recordsFor } from "../pod-group.ts";
import type { Base, DiskUse, Machine, Records } from "../ports.ts";
import { nanoseconds } from "../time.ts";
import type { DiskUsage } from "./disk-usage.ts";
import type { ContainerRecord } from "./record.ts";
import { selectContainers } from "./status.ts";

/** Returns stalls in CRI's form: the kernel's microseconds are nanoseconds there. */
function psi(pressure: Pressure | undefined) {
  if (pressure === undefined) return {};
  const stalls = ({ total_us, avg10, avg60, avg300 }: Stalls) => {
    return { Total: total_us * 1000, Avg10: avg10, Avg60: avg60, Avg300: avg300 };
  };
  return { psi: { Some: stalls(pressure.some), Full: stalls(pressure.full) } };
}

/** Returns what a cgroup uses in CRI's form. */
export const groupUsage = (usage: CgroupUsage, timestamp: bigint) => ({
  cpu: cpuUsage(usage, timestamp),
  memory: memoryUsage(usage, timestamp),
  ...(usage.pressure.io && { io: { timestamp, ...psi(usage.pressure.io) } }),
});

function cpuUsage({ cpu_ns, pressure }: CgroupUsage, timestamp: bigint): Init<CpuUsage> {
  return { timestamp, usageCoreNanoSeconds: { value: cpu_ns }, ...psi(pressure.cpu) };
}

function memoryUsage({ memory, pressure }: CgroupUsage, timestamp: bigint): Init<MemoryUsage> {
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
    ...psi(pressure.memory),
  };
}

type StatsPorts = Base & Records & Machine & DiskUse;

/** Whether the size of a writable layer is waited for until it is measured, or DISK_USAGE_WAIT_MS. */
type Patience = "get" | "soon";

/** Returns the size of a container's writable layer. */
export function layerUsage(
  { paths, sandboxes, diskUsages }: Base & Records & DiskUse,
  { id, sandboxId }: ContainerRecord,
  patience: Patience,
): Promise<DiskUsage | undefined> {
  const { metadata } = sandboxes.find(sandboxId)?.config ?? {};
  return diskUsages[patience](paths.container(id).upper, metadata?.namespace ?? "");
}

/** Returns the size of the writable layers of all containers, as far as they are known. */
export async function layersUsage(runtime: Base & Records & DiskUse): Promise<TreeUsage> {
  const usages = runtime.containers.values().map((record) => layerUsage(runtime, record, "soon"));
  const known = (await Promise.all(usages)).filter((usage) => usage !== undefined);
  return {
    used_bytes: known.reduce((sum, { used_bytes }) => sum + used_bytes, 0),
    inodes: known.reduce((sum, { inodes }) => sum + inodes, 0),
  };
}

/** ContainerStats. One that does not run has no CPU and memory, but still its written files. */
export async function containerStats(
  runtime: StatsPorts,
  record: ContainerRecord,
  patience: Patience = "get",
): Promise<Init<ContainerStats>> {
  const { id, config, cgroup } = record;
  const timestamp = nanoseconds(runtime.clock.now());
  const usage = record.phase.state === "running" ? runtime.cgroups.usage(cgroup) : undefined;
  const layer = await layerUsage(runtime, record, patience);
  return {
    attributes: {
      id,
      metadata: config.metadata,
      labels: config.labels,
      annotations: config.annotations,
    },
    ...(usage && groupUsage(usage, timestamp)),
    ...(layer && {
      writableLayer: {
        timestamp: nanoseconds(layer.measuredAt_ms),
        fsId: { mountpoint: runtime.paths.root },
        usedBytes: { value: layer.used_bytes },
        inodesUsed: { value: layer.inodes },
      },
    }),
  };
}

/**
 * Returns statistics of the containers that pass a filter, including ended ones, as containerd:
 * their writable layers take space until they are removed. Without a filter no layer's size is
 * waited for long.
 */
export async function listContainerStats(
  runtime: StatsPorts,
  filter: Partial<ContainerFilter> = {},
  patience: Patience = isOfAll(filter) ? "soon" : "get",
): Promise<Init<ContainerStats>[]> {
  const records = selectContainers(recordsFor(runtime.containers, filter), filter);
  return Promise.all(records.map((record) => containerStats(runtime, record, patience)));
}

const isOfAll = ({ id, podSandboxId, labelSelector = {} }: Partial<ContainerFilter>): boolean =>
  !id && !podSandboxId && Object.keys(labelSelector).length === 0;
