import type { Metric, Value } from "@raft2kube/linux/cgroup/cadvisor.ts";
import { addMetric, type Sample } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { NodeUsage } from "../node/node-usage.ts";
import type { SwapSample, Usage } from "./stats.ts";

/** The node, a pod's cgroup or a container, with the labels of its samples. */
export interface Group extends Partial<Usage> {
  readonly labels: Readonly<Record<string, string>>;
  readonly swap?: SwapSample | undefined;
  readonly started_ms?: number | undefined;
}

/**
 * Adds metrics of groups: what was not measured is `others`', or has no sample, and no metric if no
 * group has one.
 */
export function addUsage<G extends Pick<Group, "labels">>(
  registry: Registry,
  metrics: readonly Metric<G>[],
  groups: readonly G[],
  others: (name: string, group: G) => readonly Value[] = () => [],
): void {
  for (const [name, type, help, of] of metrics) {
    const samples = groups.flatMap((group) => {
      const own = of(group).filter(([value]) => value !== undefined);
      const values = own.length > 0 ? own : others(name, group);
      return values.map(([value = 0, time_ms, more]): Sample => {
        return { labels: { ...group.labels, ...more }, value, time_ms };
      });
    });
    if (samples.length > 0) addMetric(registry, { name, type, help }, () => samples);
  }
}

/** Returns what all metrics of the node are made of. */
export const nodeGroup = (
  { cpu_ns, memory, swap, pressure }: NodeUsage,
  time_ms: number,
): Group => ({
  labels: {},
  pressure,
  cpu: { time_ms, total_ns: cpu_ns, nanoCores: undefined },
  memory: { time_ms, ...memory },
  swap: { time_ms, ...swap },
});

export const cpuSeconds = ({ cpu }: Group): Value[] =>
  cpu ? [[cpu.total_ns / 1e9, cpu.time_ms]] : [];

export const memoryOf =
  (name: "usage" | "workingSet" | "rss") =>
  ({ memory }: Group): Value[] =>
    memory ? [[memory[`${name}_bytes`], memory.time_ms]] : [];

export const swapUsage = ({ swap }: Group): Value[] =>
  swap ? [[swap.usage_bytes, swap.time_ms]] : [];

export const startTime = ({ started_ms }: Group): Value[] => [[started_ms && started_ms / 1e3]];
