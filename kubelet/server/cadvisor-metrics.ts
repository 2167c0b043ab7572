import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { type Pressure, RESOURCES } from "@raft2kube/linux/proc/pressure.ts";
import { exposition } from "@raft2kube/observe/exposition.ts";
import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import type { FilesystemUsage, NetworkUsage } from "@raft2kube/proto/gen/cri.ts";
import { CPU_PERIOD_US, computeResources, cpuQuota_us, cpuShares } from "../containers/qos.ts";
import type { FilesystemSpace } from "../node/machine.ts";
import type { NodeUsage } from "../node/node-usage.ts";
import { containersOf, nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import { fromCriTime, type PodUsage } from "./stats.ts";
import { linkCounts, podInterfaces } from "./stats-summary.ts";
import * as usage from "./usage-metrics.ts";

export interface CadvisorFacts {
  node: NodeUsage;
  cores: number;
  pods: readonly PodUsage[];
  /** The path of a pod's cgroup. */
  groupOf(pod: Pod): string;
  /** Networks by UID of the pod. */
  networks: ReadonlyMap<string, NetworkUsage>;
  /** Space by mount point. */
  spaces: ReadonlyMap<string, FilesystemSpace>;
  now_ms: number;
}

type Interface = ReturnType<typeof podInterfaces>[number];

interface Group extends usage.Group {
  readonly processes?: number;
  readonly interfaces?: readonly Interface[] | undefined;
  readonly writableLayer?: FilesystemUsage | undefined;
  /** A container's requests and limits. */
  readonly spec?: ReturnType<typeof computeResources>;
}

/** Returns /metrics/cadvisor: what the runtime reports of containers, the kernel of the rest. */
export function cadvisorMetrics(facts: CadvisorFacts) {
  const registry = metricsRegistry();
  usage.addUsage(registry, metricsOf(facts), groupsOf(facts));
  usage.addUsage(registry, machineMetrics(facts), [{ labels: {} }]);
  return exposition(registry);
}

function machineMetrics({ node: { memory }, cores, now_ms }: CadvisorFacts): usage.Metric[] {
  const bytes = memory.workingSet_bytes + memory.available_bytes;
  return [
    ["machine_cpu_cores", "gauge", "Processors of the machine", () => [[cores, now_ms]]],
    ["machine_memory_bytes", "gauge", "Memory of the machine", () => [[bytes, now_ms]]],
    ["container_scrape_error", "gauge", "1 if there was an error, 0 otherwise", () => [[0]]],
  ];
}

/** Labels that every group has. */
const NONE = { container: "", id: "/", image: "", name: "", namespace: "", pod: "" };

function groupsOf({ node, pods, networks, groupOf, now_ms }: CadvisorFacts): Group[] {
  const whole: Group = {
    ...usage.nodeGroup(node, now_ms),
    labels: NONE,
    processes: node.processes.running,
    interfaces: node.network.interfaces.map(linkCounts),
  };
  const ofPods = pods.map(({ pod, whole: group, started_ms, containers }): Group[] => {
    const id = groupOf(pod);
    const labels = { ...NONE, id, namespace: namespaceOf(pod), pod: nameOf(pod) };
    const network = networks.get(uidOf(pod));
    return [
      { labels, started_ms, interfaces: network && podInterfaces(network), ...group },
      ...containers.map((one): Group => {
        const { name: container, image, id: name } = one;
        const own = { ...labels, container, image, name, id: `${id}/${name}` };
        return { ...one, labels: own, spec: specOf(pod, container) };
      }),
    ];
  });
  return [whole, ...ofPods.flat()];
}

function specOf(pod: Pod, name: string) {
  const found = containersOf(pod).find(({ container }) => container.name === name);
  return computeResources(found?.container.resources);
}

function metricsOf({ now_ms, spaces }: CadvisorFacts): usage.Metric<Group>[] {
  const cpu = (group: Group) =>
    usage.cpuSeconds(group).map(([s, at_ms]): usage.Value => [s, at_ms, { cpu: "total" }]);
  const faults = ({ memory }: Group): usage.Value[] =>
    (["pageFaults", "majorPageFaults"] as const).map((name) => {
      const failure_type = name === "pageFaults" ? "pgfault" : "pgmajfault";
      return [memory?.[name], memory?.time_ms, { failure_type, scope: "hierarchy" }];
    });
  const traffic =
    (what: Exclude<keyof Interface, "name">) =>
    ({ interfaces = [] }: Group): usage.Value[] =>
      interfaces.map((one) => [one[what], now_ms, { interface: one.name }]);
  const layer =
    (value: (usage: FilesystemUsage) => number | undefined) =>
    ({ writableLayer: of }: Group): usage.Value[] =>
      of ? [[value(of), fromCriTime(of), { device: of.fsId?.mountpoint ?? "" }]] : [];
  const space = (name: "capacity_bytes" | "inodes" | "inodesFree") =>
    layer(({ fsId }) => spaces.get(fsId?.mountpoint ?? "")?.[name]);
  const spec =
    (value: (spec: NonNullable<Group["spec"]>) => number | undefined) =>
    ({ spec }: Group): usage.Value[] => [[spec && value(spec)]];
  const quota = spec(({ cpuLimit_milli: limit }) => limit && cpuQuota_us(limit));
  const stalls = RESOURCES.flatMap((resource): usage.Metric<Group>[] => {
    const metric = (kind: keyof Pressure, what: string, help: string): usage.Metric<Group> => {
      const of = ({ pressure }: Group): usage.Value[] => {
        const total_us = pressure?.[resource]?.[kind].total_us;
        return [[total_us && total_us / 1e6, now_ms]];
      };
      return [`container_pressure_${resource}_${what}_seconds_total`, "counter", help, of];
    };
    return [
      metric("full", "stalled", "Time in which all processes waited"),
      metric("some", "waiting", "Time in which some processes waited"),
    ];
  });
  const processes = (of: Group): usage.Value[] => [[of.processes, now_ms]];
  const limit = spec(({ memoryLimit_bytes }) => memoryLimit_bytes ?? 0);
  const memory = usage.memoryOf;
  return [
    ["container_cpu_usage_seconds_total", "counter", "Cumulative cpu time", cpu],
    ["container_memory_usage_bytes", "gauge", "Memory in use, caches too", memory("usage")],
    ["container_memory_working_set_bytes", "gauge", "Working set", memory("workingSet")],
    ["container_memory_rss", "gauge", "Memory that is of no file", memory("rss")],
    ["container_memory_swap", "gauge", "Swap in use", usage.swapUsage],
    ["container_memory_failures_total", "counter", "Page faults", faults],
    ...stalls,
    ["container_network_receive_bytes_total", "counter", "Bytes received", traffic("rxBytes")],
    ["container_network_receive_errors_total", "counter", "Errors received", traffic("rxErrors")],
    ["container_network_transmit_bytes_total", "counter", "Bytes sent", traffic("txBytes")],
    ["container_network_transmit_errors_total", "counter", "Errors sent", traffic("txErrors")],
    ["container_fs_usage_bytes", "gauge", "Writable layer", layer((fs) => fs.usedBytes?.value)],
    ["container_fs_limit_bytes", "gauge", "Its file system's size", space("capacity_bytes")],
    ["container_fs_inodes_total", "gauge", "Its file system's inodes", space("inodes")],
    ["container_fs_inodes_free", "gauge", "Those that are free", space("inodesFree")],
    ["container_processes", "gauge", "Processes", processes],
    ["container_start_time_seconds", "gauge", "Start, since 1970", usage.startTime],
    ["container_last_seen", "gauge", "When it was last seen", () => [[now_ms / 1e3, now_ms]]],
    ["container_spec_cpu_period", "gauge", "Period of its quota", spec(() => CPU_PERIOD_US)],
    ["container_spec_cpu_quota", "gauge", "Time that it may use in a period", quota],
    ["container_spec_cpu_shares", "gauge", "Weight", spec((s) => cpuShares(s.cpuRequest_milli))],
    ["container_spec_memory_limit_bytes", "gauge", "Limit of memory; 0: there is none", limit],
  ];
}
