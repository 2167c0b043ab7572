import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { FilesystemUsage, NetworkUsage } from "@raft2kube/proto/gen/cri.ts";
import { CPU_PERIOD_US, computeResources, cpuQuota_us, cpuShares } from "../containers/qos.ts";
import type { FilesystemSpace } from "../node/machine.ts";
import type { NodeUsage } from "../node/node-usage.ts";
import { containersOf, nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import { type PrometheusSample, PrometheusText } from "./prometheus-text.ts";
import { type ContainerUsage, fromCriTime, type PodUsage, type Usage } from "./stats.ts";

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

type Interface = readonly [name: string, received: Traffic, sent: Traffic];
type Traffic = { bytes: number | undefined; errors: number | undefined };

/** The node as a whole, a pod's cgroup or a container. */
interface Group extends Usage {
  readonly labels: Record<string, string>;
  readonly swap_bytes?: number | undefined;
  readonly processes?: number;
  readonly started_ms?: number | undefined;
  readonly interfaces?: readonly Interface[];
  readonly layer?: FilesystemUsage | undefined;
  /** A container's requests and limits. */
  readonly spec?: ReturnType<typeof computeResources>;
}

/** Labels besides the group's, a value, and the time at which it was measured. */
type Values = readonly (readonly [object, number | undefined, number?])[];
type Metric = readonly [
  name: string,
  type: "counter" | "gauge",
  help: string,
  of: (group: Group) => Values,
];

/**
 * Returns the body of /metrics/cadvisor under cAdvisor's names: what the runtime reports of
 * containers, and the kernel of pods and of the node.
 */
export function cadvisorMetrics(facts: CadvisorFacts): string {
  const { node, now_ms } = facts;
  const groups = groupsOf(facts);
  const text = new PrometheusText();
  for (const [name, type, help, of] of metricsOf(facts)) {
    text.metric(
      name,
      type,
      help,
      groups.flatMap((group) =>
        of(group).flatMap(([labels, value, time_ms]): PrometheusSample[] =>
          value === undefined ? [] : [[{ ...group.labels, ...labels }, value, time_ms]],
        ),
      ),
    );
  }
  const memory_bytes = node.memory.workingSet_bytes + node.memory.available_bytes;
  text.metric("machine_cpu_cores", "gauge", "Processors of the machine", [
    [{}, facts.cores, now_ms],
  ]);
  text.metric("machine_memory_bytes", "gauge", "Memory of the machine", [
    [{}, memory_bytes, now_ms],
  ]);
  text.metric("container_scrape_error", "gauge", "1 if there was an error, 0 otherwise", [
    [{}, 0, undefined],
  ]);
  return text.toString();
}

function groupsOf({ node, pods, networks, groupOf, now_ms }: CadvisorFacts): Group[] {
  const whole: Group = {
    labels: { container: "", id: "/", image: "", name: "", namespace: "", pod: "" },
    cpu: { time_ms: now_ms, total_ns: node.cpu_ns, nanoCores: undefined },
    memory: { time_ms: now_ms, ...node.memory },
    swap_bytes: node.swap.usage_bytes,
    processes: node.processes.running,
    interfaces: node.network.interfaces.map((one) => [
      one.name,
      { bytes: one.rx_bytes, errors: one.rx_errors },
      { bytes: one.tx_bytes, errors: one.tx_errors },
    ]),
  };
  return [
    whole,
    ...pods.flatMap(({ pod, whole: group, started_ms, containers }) => {
      const of = { namespace: namespaceOf(pod), pod: nameOf(pod) };
      const id = groupOf(pod);
      const labels = { container: "", id, image: "", name: "", ...of };
      const interfaces = interfacesOf(networks.get(uidOf(pod)));
      const nothing = { cpu: undefined, memory: undefined };
      return [
        { labels, started_ms, interfaces, ...(group ?? nothing) },
        ...containers.map(
          (one): Group => ({
            ...one,
            swap_bytes: one.swap?.usage_bytes,
            layer: one.writableLayer,
            labels: {
              container: one.name,
              id: `${id}/${one.id}`,
              image: one.image,
              name: one.id,
              ...of,
            },
            spec: specOf(pod, one),
          }),
        ),
      ];
    }),
  ];
}

function specOf(pod: Pod, { name }: ContainerUsage) {
  const found = containersOf(pod).find(({ container }) => container.name === name);
  return computeResources(found?.container.resources);
}

function interfacesOf(network: NetworkUsage | undefined): Interface[] {
  const { defaultInterface, interfaces = [] } = network ?? {};
  const others = interfaces.filter(({ name }) => name !== defaultInterface?.name);
  return [...(defaultInterface ? [defaultInterface] : []), ...others].map((one) => [
    one.name,
    { bytes: one.rxBytes?.value, errors: one.rxErrors?.value },
    { bytes: one.txBytes?.value, errors: one.txErrors?.value },
  ]);
}

function metricsOf({ now_ms, spaces }: CadvisorFacts): Metric[] {
  const memory =
    (name: "usage" | "workingSet" | "rss") =>
    ({ memory }: Group): Values => [[{}, memory?.[`${name}_bytes`], memory?.time_ms]];
  const traffic =
    (direction: 1 | 2, what: keyof Traffic) =>
    ({ interfaces = [] }: Group): Values =>
      interfaces.map((one) => [{ interface: one[0] }, one[direction][what], now_ms]);
  const layer =
    (value: (usage: FilesystemUsage) => number | undefined) =>
    (group: Group): Values =>
      group.layer
        ? [
            [
              { device: group.layer.fsId?.mountpoint ?? "" },
              value(group.layer),
              fromCriTime(group.layer),
            ],
          ]
        : [];
  const space = (name: "capacity_bytes" | "inodes" | "inodesFree") =>
    layer(({ fsId }) => spaces.get(fsId?.mountpoint ?? "")?.[name]);
  const spec =
    (value: (spec: NonNullable<Group["spec"]>) => number | undefined) =>
    (group: Group): Values =>
      group.spec ? [[{}, value(group.spec)]] : [];
  const cpu = ({ cpu }: Group): Values => [
    [{ cpu: "total" }, cpu && cpu.total_ns / 1e9, cpu?.time_ms],
  ];
  const faults = ({ memory }: Group): Values => [
    [{ failure_type: "pgfault", scope: "hierarchy" }, memory?.pageFaults, memory?.time_ms],
    [{ failure_type: "pgmajfault", scope: "hierarchy" }, memory?.majorPageFaults, memory?.time_ms],
  ];
  const quota = spec(({ cpuLimit_milli }) =>
    cpuLimit_milli === undefined ? undefined : cpuQuota_us(cpuLimit_milli),
  );
  return [
    ["container_cpu_usage_seconds_total", "counter", "Cumulative cpu time", cpu],
    ["container_memory_usage_bytes", "gauge", "Memory in use, caches too", memory("usage")],
    ["container_memory_working_set_bytes", "gauge", "Working set", memory("workingSet")],
    ["container_memory_rss", "gauge", "Memory that is of no file", memory("rss")],
    ["container_memory_swap", "gauge", "Swap in use", (one) => [[{}, one.swap_bytes, now_ms]]],
    ["container_memory_failures_total", "counter", "Page faults", faults],
    ["container_network_receive_bytes_total", "counter", "Bytes received", traffic(1, "bytes")],
    ["container_network_receive_errors_total", "counter", "Errors received", traffic(1, "errors")],
    ["container_network_transmit_bytes_total", "counter", "Bytes sent", traffic(2, "bytes")],
    ["container_network_transmit_errors_total", "counter", "Errors sent", traffic(2, "errors")],
    ["container_fs_usage_bytes", "gauge", "Writable layer", layer((fs) => fs.usedBytes?.value)],
    ["container_fs_limit_bytes", "gauge", "Its file system's size", space("capacity_bytes")],
    ["container_fs_inodes_total", "gauge", "Its file system's inodes", space("inodes")],
    ["container_fs_inodes_free", "gauge", "Those that are free", space("inodesFree")],
    ["container_processes", "gauge", "Processes", (one) => [[{}, one.processes, now_ms]]],
    [
      "container_start_time_seconds",
      "gauge",
      "Start, since 1970",
      ({ started_ms }) => [[{}, started_ms && started_ms / 1e3]],
    ],
    ["container_last_seen", "gauge", "When it was last seen", () => [[{}, now_ms / 1e3, now_ms]]],
    ["container_spec_cpu_period", "gauge", "Period of its quota", spec(() => CPU_PERIOD_US)],
    ["container_spec_cpu_quota", "gauge", "Time that it may use in a period", quota],
    ["container_spec_cpu_shares", "gauge", "Weight", spec((s) => cpuShares(s.cpuRequest_milli))],
    [
      "container_spec_memory_limit_bytes",
      "gauge",
      "Limit of memory, 0 where there is none",
      spec(({ memoryLimit_bytes }) => memoryLimit_bytes ?? 0),
    ],
  ];
}
