import type { NodeUsage } from "../node/node-usage.ts";
import type { ContainerUsage, PodUsage, Usage } from "./stats.ts";

/** Remembers cumulated CPU times, so that the next answer can say how much is used per second. */
export class CpuRates {
  readonly #before = new Map<string, { time_ms: number; cpu_ns: number; rate: number }>();

  /** Nanocores since the last time; 0 the first time. Forgets what is not asked for any more. */
  rateOf(key: string, time_ms: number, cpu_ns: number): number {
    const before = this.#before.get(key);
    if (before && time_ms - before.time_ms < SHORTEST_MS) return before.rate;
    const elapsed_s = before ? (time_ms - before.time_ms) / 1_000 : 0;
    const used_ns = before ? cpu_ns - before.cpu_ns : 0;
    const rate = elapsed_s > 0 && used_ns >= 0 ? Math.round(used_ns / elapsed_s) : 0;
    this.#before.set(key, { time_ms, cpu_ns, rate });
    return rate;
  }

  keepOnly(keys: ReadonlySet<string>): void {
    for (const key of this.#before.keys()) if (!keys.has(key)) this.#before.delete(key);
  }
}

/** Over less than this a rate says nothing. */
const SHORTEST_MS = 1_000;

export interface SummaryFacts {
  nodeName: string;
  node: NodeUsage;
  nodeStarted_ms: number;
  pods: PodUsage[];
  rates: CpuRates;
  now_ms: number;
}

/** The body of /stats/summary (stats/v1alpha1), as metrics servers read it. */
export function statsSummary({ nodeName, node, pods, rates, now_ms, ...facts }: SummaryFacts) {
  const keys = new Set(["node"]);
  const cpu = (key: string, { time_ms, cpu_ns }: { time_ms: number; cpu_ns: number }) => {
    keys.add(key);
    return {
      time: time(time_ms),
      usageNanoCores: rates.rateOf(key, time_ms, cpu_ns),
      usageCoreNanoSeconds: cpu_ns,
    };
  };
  const { fs } = node;
  const summary = {
    node: {
      nodeName,
      startTime: time(facts.nodeStarted_ms),
      cpu: cpu("node", { time_ms: now_ms, cpu_ns: node.cpu_ns }),
      memory: {
        time: time(now_ms),
        availableBytes: node.memoryAvailable_bytes,
        usageBytes: node.workingSet_bytes,
        workingSetBytes: node.workingSet_bytes,
      },
      fs: {
        time: time(now_ms),
        availableBytes: fs.available_bytes,
        capacityBytes: fs.capacity_bytes,
        usedBytes: fs.capacity_bytes - fs.available_bytes,
        inodesFree: fs.inodesFree,
        inodes: fs.inodes,
        inodesUsed: fs.inodes - fs.inodesFree,
      },
    },
    pods: pods.map((pod) => ({
      podRef: { name: pod.name, namespace: pod.namespace, uid: pod.uid },
      startTime: time(pod.started_ms),
      containers: pod.containers.map((one) => container(one, cpu(`${pod.uid}/${one.name}`, one))),
      ...(pod.pod ? { cpu: cpu(pod.uid, pod.pod), memory: memory(pod.pod) } : {}),
    })),
  };
  rates.keepOnly(keys);
  return summary;
}

function container(usage: ContainerUsage, cpu: object) {
  return {
    name: usage.name,
    startTime: time(usage.started_ms),
    cpu,
    memory: memory(usage),
    rootfs: { time: time(usage.time_ms), usedBytes: usage.writableLayer_bytes },
  };
}

function memory(usage: Usage) {
  return {
    time: time(usage.time_ms),
    usageBytes: usage.memory_bytes,
    workingSetBytes: usage.workingSet_bytes,
    rssBytes: usage.rss_bytes,
  };
}

function time(at_ms: number): string {
  return `${new Date(at_ms).toISOString().slice(0, 19)}Z`;
}
