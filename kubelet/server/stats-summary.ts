import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { claimNameOf } from "@raft2kube/client-kube/object/volumes.ts";
import type { InterfaceCounters } from "@raft2kube/linux/proc/interface-counters.ts";
import type { Pressure, Pressures, Stalls } from "@raft2kube/linux/proc/pressure.ts";
import type {
  FilesystemUsage,
  NetworkInterfaceUsage,
  NetworkUsage,
} from "@raft2kube/proto/gen/cri.ts";
import type { FilesystemSpace } from "../node/machine.ts";
import type { NodeNetwork, NodeUsage } from "../node/node-usage.ts";
import { nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import type { VolumeUsage } from "../volumes/volume-usage.ts";
import type { CpuRates, CpuSample } from "./cpu-rates.ts";
import {
  type ContainerUsage,
  fromCriTime,
  type MemorySample,
  type PodUsage,
  type SwapSample,
} from "./stats.ts";
import type { RuntimeFilesystems } from "./stats-runtime.ts";
import type { PodStorage } from "./stats-storage.ts";

export interface SummaryFacts {
  nodeName: string;
  node: NodeUsage;
  nodeStarted_ms: number;
  pods: PodUsage[];
  /** Networks by UID of the pod, as are the storages. */
  networks: ReadonlyMap<string, NetworkUsage>;
  storages: ReadonlyMap<string, PodStorage>;
  runtime: RuntimeFilesystems;
  /** Space by mount point. */
  spaces: ReadonlyMap<string, FilesystemSpace>;
  rates: CpuRates;
  now_ms: number;
}

type Cpu = (key: string, sample: CpuSample | undefined, pressure?: Pressures) => object | undefined;

/**
 * Returns the body of /stats/summary (k8s.io/kubelet/pkg/apis/stats/v1alpha1). Unknown values are
 * left out, as upstream.
 */
export function statsSummary(facts: SummaryFacts) {
  const { pods, rates } = facts;
  const keys = new Set<string>();
  const cpu: Cpu = (key, sample, pressure) => {
    if (!sample) return undefined;
    keys.add(key);
    return {
      time: time(sample.time_ms),
      usageNanoCores: rates.rateOf(key, sample),
      usageCoreNanoSeconds: sample.total_ns,
      psi: psiStats(pressure?.cpu),
    };
  };
  const summary = {
    node: nodeStats(facts, cpu),
    pods: pods.map((pod) => podStats(pod, facts, cpu)),
  };
  rates.retain(keys);
  return summary;
}

function nodeStats({ nodeName, node, now_ms, runtime, spaces, ...facts }: SummaryFacts, cpu: Cpu) {
  const { fs, processes, swap, pressure } = node;
  const usage = { time_ms: now_ms, total_ns: node.cpu_ns, nanoCores: undefined };
  return {
    nodeName,
    startTime: time(facts.nodeStarted_ms),
    cpu: cpu("node", usage, pressure),
    memory: memoryStats({ time_ms: now_ms, ...node.memory }, pressure),
    io: ioStats(now_ms, pressure),
    network: nodeNetworkStats(node.network, now_ms),
    fs: fsStats(now_ms, fs, {
      used_bytes: fs.capacity_bytes - fs.available_bytes,
      inodes: fs.inodes - fs.inodesFree,
    }),
    runtime: {
      imageFs: runtimeFsStats(runtime.image, spaces),
      containerFs: runtimeFsStats(runtime.container, spaces),
    },
    rlimit: { time: time(now_ms), maxpid: processes.most, curproc: processes.running },
    swap: swapStats({ time_ms: now_ms, ...swap }),
  };
}

function podStats(usage: PodUsage, facts: SummaryFacts, cpu: Cpu) {
  const { node, networks, storages, spaces } = facts;
  const { pod, whole } = usage;
  const uid = uidOf(pod);
  const network = networks.get(uid);
  const storage = storages.get(uid);
  return {
    podRef: { name: nameOf(pod), namespace: namespaceOf(pod), uid },
    startTime: time(usage.started_ms),
    containers: usage.containers.map((one) => ({
      ...containerStats(one, spaces),
      cpu: cpu(`${uid}/${one.name}`, one.cpu, one.pressure),
      io: ioStats(facts.now_ms, one.pressure),
      logs: storage && fsStats(storage.time_ms, node.fs, storage.logs.get(one.name)),
    })),
    cpu: cpu(uid, whole?.cpu, whole?.pressure),
    memory: memoryStats(whole?.memory, whole?.pressure),
    io: ioStats(facts.now_ms, whole?.pressure),
    network: network && podNetworkStats(network, facts.now_ms),
    volume: storage && volumeStats(pod, storage),
    "ephemeral-storage": storage && fsStats(storage.time_ms, node.fs, storage.ephemeral),
    process_stats: whole && { process_count: whole.processes },
    swap: swapStats(sumOfSwap(usage.containers)),
  };
}

const containerStats = (usage: ContainerUsage, spaces: SummaryFacts["spaces"]) => ({
  name: usage.name,
  startTime: time(usage.started_ms),
  memory: memoryStats(usage.memory, usage.pressure),
  rootfs: runtimeFsStats(usage.writableLayer, spaces),
  swap: swapStats(usage.swap),
});

function psiStats(pressure: Pressure | undefined) {
  if (pressure === undefined) return undefined;
  const data = ({ total_us: total, ...shares }: Stalls) => ({ total, ...shares });
  return { full: data(pressure.full), some: data(pressure.some) };
}

const ioStats = (time_ms: number, pressure: Pressures | undefined) =>
  pressure?.io && { time: time(time_ms), psi: psiStats(pressure.io) };

const memoryStats = (sample: MemorySample | undefined, pressure: Pressures | undefined) =>
  sample && {
    time: time(sample.time_ms),
    availableBytes: sample.available_bytes,
    usageBytes: sample.usage_bytes,
    workingSetBytes: sample.workingSet_bytes,
    rssBytes: sample.rss_bytes,
    pageFaults: sample.pageFaults,
    majorPageFaults: sample.majorPageFaults,
    psi: psiStats(pressure?.memory),
  };

const swapStats = (sample: SwapSample | undefined) =>
  sample && {
    time: time(sample.time_ms),
    swapAvailableBytes: sample.available_bytes,
    swapUsageBytes: sample.usage_bytes,
  };

/**
 * Returns the sum of the containers' swap usage, where measured; there is no sum of the available
 * swap.
 */
function sumOfSwap(containers: ContainerUsage[]): SwapSample | undefined {
  const counted = containers.flatMap(({ swap }) => (swap?.usage_bytes === undefined ? [] : [swap]));
  if (counted.length === 0) return undefined;
  return {
    time_ms: Math.max(...counted.map(({ time_ms }) => time_ms)),
    available_bytes: undefined,
    usage_bytes: counted.reduce((sum, { usage_bytes = 0 }) => sum + usage_bytes, 0),
  };
}

type Used = { used_bytes: number | undefined; inodes: number | undefined };

const fsStats = (time_ms: number, space: FilesystemSpace | undefined, used: Used | undefined) => ({
  time: time(time_ms),
  availableBytes: space?.available_bytes,
  capacityBytes: space?.capacity_bytes,
  usedBytes: used?.used_bytes,
  inodesFree: space?.inodesFree,
  inodes: space?.inodes,
  inodesUsed: used?.inodes,
});

function runtimeFsStats(usage: FilesystemUsage | undefined, spaces: SummaryFacts["spaces"]) {
  if (!usage) return undefined;
  return fsStats(fromCriTime(usage), spaces.get(usage.fsId?.mountpoint ?? ""), {
    used_bytes: usage.usedBytes?.value,
    inodes: usage.inodesUsed?.value,
  });
}

/** Returns the volumes in the order of the pod's spec, without those that are not measured. */
export function volumeStats(pod: Pod, { time_ms, volumes }: PodStorage) {
  return (pod.spec.volumes ?? []).flatMap((volume) => {
    const usage = volumes.get(volume.name);
    if (!usage) return [];
    const claimName = claimNameOf(pod, volume);
    const pvcRef =
      claimName === undefined ? undefined : { name: claimName, namespace: namespaceOf(pod) };
    const { condition } = usage;
    const health = condition && { volumeHealthStats: { abnormal: condition === "abnormal" } };
    return [{ ...volumeFsStats(time_ms, usage), name: volume.name, pvcRef, ...health }];
  });
}

const volumeFsStats = (time_ms: number, usage: VolumeUsage) => ({
  time: time(time_ms),
  availableBytes: usage.available_bytes,
  capacityBytes: usage.capacity_bytes,
  usedBytes: usage.used_bytes,
  inodesFree: usage.inodesFree,
  inodes: usage.inodes,
  inodesUsed: usage.inodesUsed,
});

/**
 * Returns the counters of the default interface and of all interfaces, including that one.
 * containerd reports no time.
 */
function podNetworkStats(network: NetworkUsage, now_ms: number) {
  const { defaultInterface } = network;
  return {
    time: time(network.timestamp > 0n ? fromCriTime(network) : now_ms),
    ...(defaultInterface && criInterface(defaultInterface)),
    interfaces: podInterfaces(network),
  };
}

/** Returns the counters of all interfaces of a pod, the default one first. */
export function podInterfaces({ defaultInterface, interfaces }: NetworkUsage) {
  const others = interfaces.filter(({ name }) => name !== defaultInterface?.name);
  return [...(defaultInterface ? [defaultInterface] : []), ...others].map(criInterface);
}

const criInterface = (counted: NetworkInterfaceUsage) => ({
  name: counted.name,
  rxBytes: counted.rxBytes?.value,
  rxErrors: counted.rxErrors?.value,
  txBytes: counted.txBytes?.value,
  txErrors: counted.txErrors?.value,
});

function nodeNetworkStats({ defaultName, interfaces }: NodeNetwork, now_ms: number) {
  const defaultInterface = interfaces.find(({ name }) => name === defaultName);
  return {
    time: time(now_ms),
    ...(defaultInterface && linkCounts(defaultInterface)),
    interfaces: interfaces.map(linkCounts),
  };
}

function linkCounts({ name, rx_bytes, rx_errors, tx_bytes, tx_errors }: InterfaceCounters) {
  return { name, rxBytes: rx_bytes, rxErrors: rx_errors, txBytes: tx_bytes, txErrors: tx_errors };
}

/** RFC 3339 with whole seconds; null is how upstream's API writes a time that is not known. */
function time(at_ms: number | undefined): string | null {
  return at_ms === undefined ? null : `${new Date(at_ms).toISOString().slice(0, 19)}Z`;
}
