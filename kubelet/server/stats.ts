import type { ContainerStatus, Pod, PodStatus } from "@raft2kube/api/gen/core/v1.ts";
import type { CgroupUsage } from "@raft2kube/linux/cgroup/cgroup.ts";
import type { Pressure, Pressures } from "@raft2kube/linux/proc/pressure.ts";
import {
  ContainerState,
  type ContainerStats,
  type CpuUsage,
  type FilesystemUsage,
  type MemoryUsage,
  type PsiData,
  type PsiStats,
  type SwapUsage,
} from "@raft2kube/proto/gen/cri.ts";
import { given } from "@raft2kube/std/given.ts";
import { everyContainerStats } from "../cri/every.ts";
import { CONTAINER_NAME_LABEL } from "../cri/observe.ts";
import type { Runtime } from "../cri/runtime.ts";
import { uidOf } from "../pods/pod-identity.ts";
import { POD_UID_LABEL } from "../pods/pod-labels.ts";
import type { PodCgroups } from "../sandbox/pod-cgroup.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";
import type { CpuSample } from "./cpu-rates.ts";

/** Memory at one moment; undefined is what is not known. */
export interface MemorySample {
  time_ms: number;
  usage_bytes: number | undefined;
  workingSet_bytes: number | undefined;
  rss_bytes: number | undefined;
  pageFaults: number | undefined;
  majorPageFaults: number | undefined;
  /** Up to the limit; undefined when there is none. */
  available_bytes: number | undefined;
}

export interface SwapSample {
  time_ms: number;
  available_bytes: number | undefined;
  usage_bytes: number | undefined;
}

/** Usage of one container or pod at one time. */
export type Usage = {
  cpu: CpuSample | undefined;
  memory: MemorySample | undefined;
  pressure: Pressures;
};

export interface ContainerUsage extends Usage {
  name: string;
  id: string;
  image: string;
  started_ms: number | undefined;
  swap: SwapSample | undefined;
  writableLayer: FilesystemUsage | undefined;
}

export interface PodUsage {
  pod: Pod;
  started_ms: number | undefined;
  containers: ContainerUsage[];
  /** Usage of the pod's cgroup; undefined when it has just been removed. */
  whole: (Usage & { processes: number }) | undefined;
}

export interface StatsSources {
  runtime: Runtime;
  workers: PodWorkers;
  cgroups: PodCgroups;
  now_ms(): number;
}

/** Measures every running pod. */
export async function podUsages(sources: StatsSources): Promise<PodUsage[]> {
  const { runtime, workers, cgroups, now_ms } = sources;
  const stats = await runningStats(runtime);
  return workers.list().flatMap(({ pod, status }) => {
    const own = stats.filter((one) => one.attributes?.labels[POD_UID_LABEL] === uidOf(pod));
    if (own.length === 0) return [];
    const group = cgroups.usage(pod);
    return [
      {
        pod,
        started_ms: time_ms(status?.startTime),
        containers: own.map((one) => containerUsage(one, statusOf(status, nameOfStats(one)))),
        whole: group && groupUsage(group, now_ms()),
      },
    ];
  });
}

/** Returns the statistics of running containers; a runtime may also list ended ones. */
async function runningStats({ runtime }: Runtime): Promise<ContainerStats[]> {
  const state = { state: ContainerState.CONTAINER_RUNNING };
  const { containers } = await runtime.listContainers({ filter: { state } });
  const running = new Set(containers.map(({ id }) => id));
  const stats: ContainerStats[] = [];
  for await (const each of everyContainerStats(runtime)) {
    if (running.has(each.attributes?.id ?? "")) stats.push(each);
  }
  return stats;
}

function statusOf(status: PodStatus | undefined, name: string): ContainerStatus | undefined {
  const { containerStatuses, initContainerStatuses, ephemeralContainerStatuses } = status ?? {};
  return [containerStatuses, initContainerStatuses, ephemeralContainerStatuses]
    .flatMap((statuses) => statuses ?? [])
    .find((one) => one.name === name);
}

function time_ms(text: string | null | undefined): number | undefined {
  return text ? Date.parse(text) : undefined;
}

function nameOfStats({ attributes }: ContainerStats): string {
  return attributes?.metadata?.name ?? attributes?.labels[CONTAINER_NAME_LABEL] ?? "";
}

function containerUsage(
  stats: ContainerStats,
  status: ContainerStatus | undefined,
): ContainerUsage {
  const { cpu, memory, swap, writableLayer } = stats;
  return {
    name: nameOfStats(stats),
    id: stats.attributes?.id ?? "",
    image: status?.image ?? "",
    started_ms: time_ms(status?.state?.running?.startedAt),
    cpu: cpu && cpuSample(cpu),
    memory: memory && memorySample(memory),
    pressure: pressuresOf(stats),
    swap: swap && swapSample(swap),
    writableLayer,
  };
}

/** Converts CRI's nanoseconds since 1970 to milliseconds. */
export function fromCriTime({ timestamp }: { timestamp: bigint }): number {
  return Number(timestamp / 1_000_000n);
}

function cpuSample(cpu: CpuUsage): CpuSample | undefined {
  const total_ns = cpu.usageCoreNanoSeconds?.value;
  if (total_ns === undefined) return undefined;
  return { time_ms: fromCriTime(cpu), total_ns, nanoCores: cpu.usageNanoCores?.value };
}

/** Returns a container's stalls, of those resources for which the runtime reports them. */
export const pressuresOf = ({ cpu, memory, io }: Omit<ContainerStats, "attributes">): Pressures =>
  given({ cpu: psi(cpu), memory: psi(memory), io: psi(io) });

/** Stalls as the kernel counts them, which CRI has in nanoseconds. */
function psi(usage: { psi?: PsiStats | undefined } | undefined): Pressure | undefined {
  const { Some, Full } = usage?.psi ?? {};
  if (Some === undefined || Full === undefined) return undefined;
  const stalls = ({ Avg10, Avg60, Avg300, Total }: PsiData) => {
    return { avg10: Avg10, avg60: Avg60, avg300: Avg300, total_us: Math.floor(Total / 1000) };
  };
  return { some: stalls(Some), full: stalls(Full) };
}

const memorySample = (memory: MemoryUsage): MemorySample => ({
  time_ms: fromCriTime(memory),
  usage_bytes: memory.usageBytes?.value,
  workingSet_bytes: memory.workingSetBytes?.value,
  rss_bytes: memory.rssBytes?.value,
  pageFaults: memory.pageFaults?.value,
  majorPageFaults: memory.majorPageFaults?.value,
  available_bytes: memory.availableBytes?.value,
});

const swapSample = (swap: SwapUsage): SwapSample => ({
  time_ms: fromCriTime(swap),
  available_bytes: swap.swapAvailableBytes?.value,
  usage_bytes: swap.swapUsageBytes?.value,
});

function groupUsage({ cpu_ns, memory, pids, pressure }: CgroupUsage, time_ms: number) {
  const { limit_bytes, workingSet_bytes } = memory;
  const available_bytes =
    limit_bytes === undefined ? undefined : Math.max(0, limit_bytes - workingSet_bytes);
  return {
    cpu: { time_ms, total_ns: cpu_ns, nanoCores: undefined },
    memory: { time_ms, ...memory, available_bytes },
    processes: pids,
    pressure,
  };
}
