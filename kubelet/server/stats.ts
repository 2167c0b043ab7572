import type { ContainerStats } from "@raft2kube/proto/gen/cri.ts";
import { CONTAINER_NAME_LABEL } from "../cri/observe.ts";
import type { Runtime } from "../cri/runtime.ts";
import { nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import type { PodCgroups } from "../sandbox/pod-cgroup.ts";
import { POD_UID_LABEL } from "../sandbox/sandbox-config.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";

/** What one container or pod has used, at one moment. */
export interface Usage {
  time_ms: number;
  cpu_ns: number;
  workingSet_bytes: number;
  memory_bytes: number;
  rss_bytes: number;
}

export interface ContainerUsage extends Usage {
  name: string;
  started_ms: number;
  writableLayer_bytes: number;
}

export interface PodUsage {
  uid: string;
  name: string;
  namespace: string;
  started_ms: number;
  containers: ContainerUsage[];
  /** Of the pod's own cgroup; undefined when it has just gone. */
  pod: Usage | undefined;
}

export interface StatsSources {
  runtime: Runtime;
  workers: PodWorkers;
  cgroups: PodCgroups;
  now_ms(): number;
}

/** The usage of every pod that runs, measured now. */
export async function podUsages(sources: StatsSources): Promise<PodUsage[]> {
  const { runtime, workers, cgroups, now_ms } = sources;
  const { stats } = await runtime.runtime.listContainerStats({});
  return workers.list().flatMap(({ pod, status }) => {
    const uid = uidOf(pod);
    const own = stats.filter((one) => one.attributes?.labels[POD_UID_LABEL] === uid);
    if (own.length === 0) return [];
    const group = cgroups.usage(pod);
    const containers = own.map((one) => containerUsage(one, startOf(status, nameOfStats(one))));
    return [
      {
        uid,
        name: nameOf(pod),
        namespace: namespaceOf(pod),
        started_ms: Date.parse(status?.startTime ?? "") || 0,
        containers,
        pod: group && {
          time_ms: now_ms(),
          cpu_ns: group.cpu_ns,
          workingSet_bytes: group.memory.workingSet_bytes,
          memory_bytes: group.memory.usage_bytes,
          rss_bytes: group.memory.rss_bytes,
        },
      },
    ];
  });
}

type Statuses = { containerStatuses?: { name: string; state?: Running }[] } | undefined;
type Running = { running?: { startedAt?: string | null } };

function startOf(status: Statuses, name: string): number {
  const found = status?.containerStatuses?.find((one) => one.name === name);
  return Date.parse(found?.state?.running?.startedAt ?? "") || 0;
}

function nameOfStats({ attributes }: ContainerStats): string {
  return attributes?.metadata?.name ?? attributes?.labels[CONTAINER_NAME_LABEL] ?? "";
}

function containerUsage(stats: ContainerStats, started_ms: number): ContainerUsage {
  const { cpu, memory, writableLayer } = stats;
  return {
    name: nameOfStats(stats),
    started_ms,
    time_ms: Number((cpu?.timestamp ?? 0n) / 1_000_000n),
    cpu_ns: cpu?.usageCoreNanoSeconds?.value ?? 0,
    workingSet_bytes: memory?.workingSetBytes?.value ?? 0,
    memory_bytes: memory?.usageBytes?.value ?? 0,
    rss_bytes: memory?.rssBytes?.value ?? 0,
    writableLayer_bytes: writableLayer?.usedBytes?.value ?? 0,
  };
}
