import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import {
  CADVISOR_METRICS,
  GROUP_LABELS,
  type GroupFacts,
  type Metric,
  type Value,
} from "@raft2kube/linux/cgroup/cadvisor.ts";
import { exposition } from "@raft2kube/observe/exposition.ts";
import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import type { FilesystemUsage, NetworkUsage } from "@raft2kube/proto/gen/cri.ts";
import { CPU_PERIOD_US, computeResources, cpuQuota_us, cpuShares } from "../containers/qos.ts";
import type { FilesystemSpace } from "../node/machine.ts";
import type { NodeUsage } from "../node/node-usage.ts";
import { containersOf, nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import type { PodCgroups } from "../sandbox/pod-cgroup.ts";
import { fromCriTime, type PodUsage } from "./stats.ts";
import type { RuntimeMetrics } from "./stats-runtime.ts";
import { podInterfaces } from "./stats-summary.ts";
import * as usage from "./usage-metrics.ts";

export interface CadvisorFacts {
  node: NodeUsage;
  cores: number;
  pods: readonly PodUsage[];
  cgroups: Pick<PodCgroups, "pathOf" | "counters" | "oomKills">;
  /** Metrics of the runtime, for what its statistics lack. */
  runtime: RuntimeMetrics;
  /** Networks by UID of the pod. */
  networks: ReadonlyMap<string, NetworkUsage>;
  /** Space by mount point. */
  spaces: ReadonlyMap<string, FilesystemSpace>;
  now_ms: number;
}

interface Group extends GroupFacts {
  readonly labels: Readonly<Record<string, string>>;
  /** The key in the runtime's metrics. */
  readonly key?: string;
}

/**
 * Returns /metrics/cadvisor: the runtime's statistics of containers and the kernel's of the rest.
 * The runtime's metrics, whose seconds are whole ones, fill the gaps.
 */
export function cadvisorMetrics(facts: CadvisorFacts) {
  const registry = metricsRegistry();
  const { descriptors } = facts.runtime;
  const named = new Set(CADVISOR_METRICS.map(([name]) => name));
  const more = descriptors
    .filter(({ name }) => !named.has(name))
    .map(({ name, help }): Metric => {
      return [name, name.endsWith("_total") ? "counter" : "gauge", help, () => []];
    });
  usage.addUsage(registry, [...CADVISOR_METRICS, ...more], groupsOf(facts), ofRuntime(facts));
  usage.addUsage(registry, machineMetrics(facts), [{ labels: {} }]);
  return exposition(registry);
}

/** Finds the runtime's values, with their labels besides those that every group has. */
function ofRuntime({ runtime: { descriptors, samples } }: CadvisorFacts) {
  const common: ReadonlySet<string> = new Set(GROUP_LABELS);
  const keysOf = new Map(descriptors.map(({ name, labelKeys }) => [name, labelKeys]));
  const byName = new Map(
    [...samples].map(([key, metrics]) => [key, Map.groupBy(metrics, ({ name }) => name)]),
  );
  return (name: string, { key }: Group): Value[] => {
    const found = key === undefined ? undefined : byName.get(key)?.get(name);
    const keys = keysOf.get(name);
    if (found === undefined || keys === undefined) return [];
    return found.map(({ value, timestamp, labelValues }): Value => {
      const labels = keys.map((label, at) => [label, labelValues[at] ?? ""] as const);
      const further = Object.fromEntries(labels.filter(([label]) => !common.has(label)));
      const time_ms = timestamp === 0n ? undefined : fromCriTime({ timestamp });
      return [value?.value ?? 0, time_ms, further];
    });
  };
}

function machineMetrics({ node: { memory }, cores, now_ms }: CadvisorFacts): Metric<object>[] {
  const bytes = memory.workingSet_bytes + memory.available_bytes;
  return [
    ["machine_cpu_cores", "gauge", "Processors of the machine", () => [[cores, now_ms]]],
    ["machine_memory_bytes", "gauge", "Memory of the machine", () => [[bytes, now_ms]]],
    ["container_scrape_error", "gauge", "1 if there was an error, 0 otherwise", () => [[0]]],
  ];
}

/** Labels of a group that is no container's. */
const NONE = { container: "", id: "/", image: "", name: "", namespace: "", pod: "" };

function groupsOf({ node, pods, cgroups, now_ms, ...facts }: CadvisorFacts): Group[] {
  const whole: Group = {
    ...usage.nodeGroup(node, now_ms),
    ...{ now_ms, labels: NONE },
    processes: node.processes.running,
    interfaces: node.network.interfaces,
  };
  const ofPods = pods.map(({ pod, whole: group, started_ms, containers }): Group[] => {
    const id = cgroups.pathOf(pod);
    const labels = { ...NONE, id, namespace: namespaceOf(pod), pod: nameOf(pod) };
    const network = facts.networks.get(uidOf(pod));
    const counted = { counters: cgroups.counters(pod), oomKills: cgroups.oomKills(pod) };
    const common = { now_ms, labels, started_ms, key: uidOf(pod) };
    return [
      { ...common, ...group, ...counted, interfaces: network && interfacesOf(network) },
      ...containers.map((one): Group => {
        const { name: container, image, id: name, writableLayer } = one;
        const own = { ...labels, container, image, name, id: `${id}/${name}` };
        const layer = writableLayer && layerOf(writableLayer, facts.spaces);
        return { ...one, now_ms, labels: own, key: name, layer, limits: limitsOf(pod, container) };
      }),
    ];
  });
  return [whole, ...ofPods.flat()];
}

const interfacesOf = (network: NetworkUsage) =>
  podInterfaces(network).map(({ name, ...of }) => ({
    name,
    rx_bytes: of.rxBytes,
    rx_errors: of.rxErrors,
    tx_bytes: of.txBytes,
    tx_errors: of.txErrors,
  }));

function layerOf(of: FilesystemUsage, spaces: CadvisorFacts["spaces"]) {
  const device = of.fsId?.mountpoint ?? "";
  return {
    ...{ ...spaces.get(device), device },
    ...{ time_ms: fromCriTime(of), used_bytes: of.usedBytes?.value },
  };
}

function limitsOf(pod: Pod, name: string) {
  const found = containersOf(pod).find(({ container }) => container.name === name);
  const spec = computeResources(found?.container.resources);
  return {
    period_us: CPU_PERIOD_US,
    quota_us: spec.cpuLimit_milli && cpuQuota_us(spec.cpuLimit_milli),
    shares: cpuShares(spec.cpuRequest_milli),
    memory_bytes: spec.memoryLimit_bytes ?? 0,
  };
}
