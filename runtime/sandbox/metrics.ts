import { statfs } from "node:fs/promises";
import {
  CADVISOR_METRICS,
  GROUP_LABELS,
  type GroupFacts,
} from "@raft2kube/linux/cgroup/cadvisor.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  type LinuxContainerResources,
  type Metric,
  type MetricDescriptor,
  MetricType,
  type PodSandboxMetrics,
  PodSandboxState,
} from "@raft2kube/proto/gen/cri.ts";
import { nextTurn } from "@raft2kube/std/slices.ts";
import type { ContainerRecord } from "../container/record.ts";
import { layerUsage } from "../container/stats.ts";
import type { Base, DiskUse, Machine, Records } from "../ports.ts";
import { nanoseconds } from "../time.ts";
import type { SandboxRecord } from "./record.ts";
import { interfacesOf, podGroup } from "./stats.ts";
import { selectSandboxes } from "./status.ts";

type MetricPorts = Base & Records & Machine & DiskUse;
type Labels = Record<(typeof GROUP_LABELS)[number], string>;
type Space = { capacity_bytes: number; inodes: number; inodesFree: number };

/** ListMetricDescriptors: what every metric means, and the keys of its labels in order. */
export const metricDescriptors = (): MetricDescriptor[] =>
  CADVISOR_METRICS.map(([name, , help, , keys = []]) => {
    return { name, help, labelKeys: [...GROUP_LABELS, ...keys] };
  });

/** ListPodSandboxMetrics: those of ready sandboxes and of their running containers. */
export async function sandboxMetrics(runtime: MetricPorts): Promise<Init<PodSandboxMetrics>[]> {
  const state = { state: PodSandboxState.SANDBOX_READY };
  const { bsize, blocks, files, ffree } = await statfs(runtime.paths.root);
  const space = { capacity_bytes: blocks * bsize, inodes: files, inodesFree: ffree };
  const containers = Map.groupBy(runtime.containers.values(), ({ sandboxId }) => sandboxId);
  return Promise.all(
    selectSandboxes(runtime.sandboxes.values(), { state }).map(async (record) => {
      const own = containers.get(record.id) ?? [];
      const running = own.filter(({ phase }) => phase.state === "running");
      const ofContainers = running.map(async (one) => {
        // A group has some twenty files to read: those of a full node are no step of one turn.
        await nextTurn();
        const facts = await containerFacts(runtime, one, space);
        return { containerId: one.id, metrics: metricsOf(facts, containerLabels(record, one)) };
      });
      await nextTurn();
      return {
        podSandboxId: record.id,
        metrics: metricsOf(podFacts(runtime, record), podLabels(record)),
        containerMetrics: await Promise.all(ofContainers),
      };
    }),
  );
}

function metricsOf(facts: GroupFacts, labels: Labels): Init<Metric>[] {
  const own = GROUP_LABELS.map((key) => labels[key]);
  return CADVISOR_METRICS.flatMap(([name, type, , of, keys = []]) =>
    of(facts).flatMap(([value, time_ms, more = {}]): Init<Metric>[] => {
      if (value === undefined) return [];
      const further = keys.map((key) => String((more as Record<string, unknown>)[key]));
      return [
        {
          name,
          metricType: type === "counter" ? MetricType.COUNTER : MetricType.GAUGE,
          timestamp: time_ms === undefined ? 0n : nanoseconds(time_ms),
          labelValues: [...own, ...further],
          // CRI's values are integers: seconds are whole ones.
          value: { value: Math.floor(value) },
        },
      ];
    }),
  );
}

const podLabels = (record: SandboxRecord): Labels => ({
  container: "",
  id: podGroup(record),
  image: "",
  name: "",
  namespace: record.config.metadata?.namespace ?? "",
  pod: record.config.metadata?.name ?? "",
});

const containerLabels = (sandbox: SandboxRecord, record: ContainerRecord): Labels => ({
  ...podLabels(sandbox),
  container: record.config.metadata?.name ?? "",
  id: record.cgroup,
  image: record.config.image?.userSpecifiedImage || record.config.image?.image || "",
  name: record.id,
});

/** Returns the kernel's counts of a group. */
function groupFacts({ cgroups, clock }: MetricPorts, group: string): GroupFacts {
  const time_ms = clock.now();
  const usage = cgroups.usage(group);
  if (usage === undefined) return { now_ms: time_ms };
  return {
    now_ms: time_ms,
    cpu: { time_ms, total_ns: usage.cpu_ns },
    memory: { time_ms, ...usage.memory },
    pressure: usage.pressure,
    counters: cgroups.counters(group),
    oomKills: cgroups.oomKills(group),
    processes: cgroups.pids(group).length,
    threads: usage.pids,
  };
}

const podFacts = (runtime: MetricPorts, record: SandboxRecord): GroupFacts => ({
  ...groupFacts(runtime, podGroup(record)),
  started_ms: record.createdAt_ms,
  interfaces: interfacesOf(record),
});

async function containerFacts(
  runtime: MetricPorts,
  record: ContainerRecord,
  space: Space,
): Promise<GroupFacts> {
  const { phase, cgroup, resources } = record;
  const layer = await layerUsage(runtime, record, "soon");
  const device = runtime.paths.root;
  return {
    ...groupFacts(runtime, cgroup),
    ...(phase.state === "running" && { started_ms: phase.startedAt_ms }),
    layer: layer && {
      ...{ time_ms: layer.measuredAt_ms, device, used_bytes: layer.used_bytes },
      ...space,
    },
    limits: limitsOf(resources),
  };
}

/** Limits that are not set are zero in CRI's words; that of memory is shown so, as cAdvisor. */
function limitsOf(resources: LinuxContainerResources | undefined) {
  const { cpuPeriod = 0, cpuQuota = 0, cpuShares = 0, memoryLimitInBytes = 0 } = resources ?? {};
  return {
    period_us: cpuPeriod || undefined,
    quota_us: cpuQuota > 0 ? cpuQuota : undefined,
    shares: cpuShares || undefined,
    memory_bytes: memoryLimitInBytes,
  };
}
