import type { InterfaceCounters } from "../proc/interface-counters.ts";
import { type Pressure, type Pressures, RESOURCES } from "../proc/pressure.ts";
import type { CgroupCounters, DeviceIo } from "./cgroup.ts";

type Maybe<T> = { readonly [K in keyof T]?: T[K] | undefined };
type Timed = { readonly time_ms: number };

/** Facts of the node, a pod or a container; a missing one has no samples. */
export interface GroupFacts {
  readonly now_ms: number;
  readonly started_ms?: number | undefined;
  readonly cpu?: (Timed & { readonly total_ns: number }) | undefined;
  readonly memory?: (Timed & Maybe<MemoryFacts>) | undefined;
  readonly swap?: (Timed & { readonly usage_bytes: number | undefined }) | undefined;
  readonly pressure?: Pressures;
  readonly counters?: CgroupCounters | undefined;
  readonly oomKills?: number | undefined;
  readonly processes?: number | undefined;
  readonly threads?: number | undefined;
  readonly interfaces?: readonly (Maybe<InterfaceCounters> & { name: string })[] | undefined;
  readonly layer?: (Timed & Maybe<LayerFacts> & { device: string }) | undefined;
  readonly limits?: Maybe<LimitFacts> | undefined;
}

type MemoryFacts = Record<
  "usage_bytes" | "workingSet_bytes" | "rss_bytes" | "pageFaults" | "majorPageFaults",
  number
>;
type LayerFacts = Record<"used_bytes" | "capacity_bytes" | "inodes" | "inodesFree", number>;
type LimitFacts = Record<"period_us" | "quota_us" | "shares" | "memory_bytes", number>;

/** A value, when it was measured, and labels besides the group's. */
export type Value = readonly [value: number | undefined, time_ms?: number, labels?: object];
export type Metric<G = GroupFacts> = readonly [
  name: string,
  type: "counter" | "gauge",
  help: string,
  of: (group: G) => readonly Value[],
  /** Keys of the labels besides the group's. */
  keys?: readonly string[],
];

/** Labels that every group has. */
export const GROUP_LABELS = ["container", "id", "image", "name", "namespace", "pod"] as const;

const count =
  (name: keyof Omit<CgroupCounters, "io">, unit = 1) =>
  ({ counters, now_ms }: GroupFacts): Value[] => {
    const value = counters?.[name];
    return [[value === undefined ? undefined : value / unit, now_ms]];
  };
const cpu = ({ cpu: of }: GroupFacts): Value[] =>
  of ? [[of.total_ns / 1e9, of.time_ms, { cpu: "total" }]] : [];
const memory =
  (name: keyof MemoryFacts) =>
  ({ memory: of }: GroupFacts): Value[] =>
    of ? [[of[name], of.time_ms]] : [];
const swap = ({ swap: of, counters, now_ms }: GroupFacts): Value[] =>
  of ? [[of.usage_bytes, of.time_ms]] : [[counters?.swap_bytes, now_ms]];
const faults = ({ memory: of }: GroupFacts): Value[] => [
  [of?.pageFaults, of?.time_ms, { failure_type: "pgfault", scope: "hierarchy" }],
  [of?.majorPageFaults, of?.time_ms, { failure_type: "pgmajfault", scope: "hierarchy" }],
];
const traffic =
  (what: keyof Omit<InterfaceCounters, "name">) =>
  ({ interfaces = [], now_ms }: GroupFacts): Value[] =>
    interfaces.map((one) => [one[what], now_ms, { interface: one.name }]);
const layer =
  (what: keyof LayerFacts) =>
  ({ layer: of }: GroupFacts): Value[] =>
    of ? [[of[what], of.time_ms, { device: of.device }]] : [];
const io =
  (what: keyof Omit<DeviceIo, "device">) =>
  ({ counters, now_ms }: GroupFacts): Value[] =>
    (counters?.io ?? []).map((one) => [one[what], now_ms, { device: one.device }]);
const limit =
  (what: keyof LimitFacts) =>
  ({ limits }: GroupFacts): Value[] => [[limits?.[what]]];
const number =
  (name: "processes" | "threads" | "oomKills") =>
  (group: GroupFacts): Value[] => [[group[name], group.now_ms]];
const start = ({ started_ms }: GroupFacts): Value[] => [[started_ms && started_ms / 1e3]];

const stalls = RESOURCES.flatMap((resource) =>
  (["full", "some"] as const satisfies (keyof Pressure)[]).map((kind): Metric => {
    const name = `${resource}_${kind === "full" ? "stalled" : "waiting"}`;
    const of = ({ pressure, now_ms }: GroupFacts): Value[] => {
      const total_us = pressure?.[resource]?.[kind].total_us;
      return [[total_us && total_us / 1e6, now_ms]];
    };
    const help = `Time in which ${kind === "full" ? "all" : "some"} processes waited`;
    return [`container_pressure_${name}_seconds_total`, "counter", help, of];
  }),
);

const INTERFACE = ["interface"];
const network = (["rx", "tx"] as const).flatMap((way) =>
  (["bytes", "packets", "errors", "dropped"] as const).map((what): Metric => {
    const counted = what === "dropped" ? "packets_dropped" : what;
    const name = `${way === "rx" ? "receive" : "transmit"}_${counted}`;
    const help = `${name.replaceAll("_", " ")} of an interface`;
    const of = traffic(`${way}_${what}`);
    return [`container_network_${name}_total`, "counter", help, of, INTERFACE];
  }),
);

const DEVICE = ["device"];
const FAULT = ["failure_type", "scope"];
const seen = ({ now_ms }: GroupFacts): Value[] => [[now_ms / 1e3, now_ms]];
const throttled = count("throttledPeriods");
const throttledSeconds = count("throttled_ns", 1e9);
const memoryLimit = limit("memory_bytes");

/** cAdvisor's metrics of a group under cAdvisor's names, which CRI's calls and kubelets serve. */
export const CADVISOR_METRICS: readonly Metric[] = [
  ["container_cpu_usage_seconds_total", "counter", "Cumulative cpu time", cpu, ["cpu"]],
  ["container_cpu_user_seconds_total", "counter", "Time of programs", count("user_ns", 1e9)],
  ["container_cpu_system_seconds_total", "counter", "Time of the kernel", count("system_ns", 1e9)],
  ["container_cpu_cfs_periods_total", "counter", "Periods of the quota", count("periods")],
  ["container_cpu_cfs_throttled_periods_total", "counter", "Those it waited in", throttled],
  ["container_cpu_cfs_throttled_seconds_total", "counter", "Time it waited", throttledSeconds],
  ["container_memory_usage_bytes", "gauge", "Memory in use, caches too", memory("usage_bytes")],
  ["container_memory_working_set_bytes", "gauge", "Working set", memory("workingSet_bytes")],
  ["container_memory_rss", "gauge", "Memory that is of no file", memory("rss_bytes")],
  ["container_memory_cache", "gauge", "Memory of files", count("cache_bytes")],
  ["container_memory_max_usage_bytes", "gauge", "Most memory in use so far", count("peak_bytes")],
  ["container_memory_failcnt", "counter", "Times that it reached its limit", count("limitHits")],
  ["container_memory_swap", "gauge", "Swap in use", swap],
  ["container_memory_failures_total", "counter", "Page faults", faults, FAULT],
  ["container_oom_events_total", "counter", "Kills for want of memory", number("oomKills")],
  ...stalls,
  ...network,
  ["container_fs_usage_bytes", "gauge", "Writable layer", layer("used_bytes"), DEVICE],
  ["container_fs_limit_bytes", "gauge", "Its file system's size", layer("capacity_bytes"), DEVICE],
  ["container_fs_inodes_total", "gauge", "Its file system's inodes", layer("inodes"), DEVICE],
  ["container_fs_inodes_free", "gauge", "Those that are free", layer("inodesFree"), DEVICE],
  ["container_fs_reads_bytes_total", "counter", "Bytes read", io("read_bytes"), DEVICE],
  ["container_fs_reads_total", "counter", "Reads", io("reads"), DEVICE],
  ["container_fs_writes_bytes_total", "counter", "Bytes written", io("written_bytes"), DEVICE],
  ["container_fs_writes_total", "counter", "Writes", io("writes"), DEVICE],
  ["container_processes", "gauge", "Processes", number("processes")],
  ["container_threads", "gauge", "Threads", number("threads")],
  ["container_threads_max", "gauge", "Threads at most", count("threadsMax")],
  ["container_start_time_seconds", "gauge", "Start, since 1970", start],
  ["container_last_seen", "gauge", "When it was last seen", seen],
  ["container_spec_cpu_period", "gauge", "Period of its quota", limit("period_us")],
  ["container_spec_cpu_quota", "gauge", "Time that it may use in a period", limit("quota_us")],
  ["container_spec_cpu_shares", "gauge", "Weight", limit("shares")],
  ["container_spec_memory_limit_bytes", "gauge", "Limit of memory; 0: there is none", memoryLimit],
];
