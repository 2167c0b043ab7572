import type { Metric } from "@raft2kube/linux/cgroup/cadvisor.ts";
import { exposition } from "@raft2kube/observe/exposition.ts";
import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import type { NodeUsage } from "../node/node-usage.ts";
import { nameOf, namespaceOf } from "../pods/pod-identity.ts";
import type { PodUsage } from "./stats.ts";
import * as usage from "./usage-metrics.ts";

const { cpuSeconds, startTime, swapUsage } = usage;
const workingSet = usage.memoryOf("workingSet");

const NODE: readonly Metric<usage.Group>[] = [
  ["node_cpu_usage_seconds_total", "counter", "Cumulative cpu time of the node", cpuSeconds],
  ["node_memory_working_set_bytes", "gauge", "Working set of the node", workingSet],
  ["node_swap_usage_bytes", "gauge", "Swap usage of the node", swapUsage],
];
const CONTAINER: readonly Metric<usage.Group>[] = [
  ["container_cpu_usage_seconds_total", "counter", "Cumulative cpu time", cpuSeconds],
  ["container_memory_working_set_bytes", "gauge", "Working set of the container", workingSet],
  ["container_swap_usage_bytes", "gauge", "Swap usage of the container", swapUsage],
  ["container_start_time_seconds", "gauge", "Start of the container, since 1970", startTime],
];
const POD: readonly Metric<usage.Group>[] = [
  ["pod_cpu_usage_seconds_total", "counter", "Cumulative cpu time of the pod", cpuSeconds],
  ["pod_memory_working_set_bytes", "gauge", "Working set of the pod", workingSet],
];
const FAILURES: Metric<usage.Group> = [
  "resource_scrape_error",
  "gauge",
  "1 if there was an error, 0 otherwise",
  () => [[0]],
];

/** Returns /metrics/resource, which metrics-server scrapes. */
export function resourceMetrics(node: NodeUsage, pods: readonly PodUsage[], now_ms: number) {
  const registry = metricsRegistry();
  const containers = pods.flatMap(({ pod, containers }) =>
    containers.map((one) => ({ ...one, labels: { container: one.name, ...labelsOf(pod) } })),
  );
  const whole = pods.flatMap(({ pod, whole }) =>
    whole ? { ...whole, labels: labelsOf(pod) } : [],
  );
  usage.addUsage(registry, NODE, [usage.nodeGroup(node, now_ms)]);
  usage.addUsage(registry, CONTAINER, containers);
  usage.addUsage(registry, POD, whole);
  usage.addUsage(registry, [FAILURES], [{ labels: {} }]);
  return exposition(registry);
}

const labelsOf = (pod: PodUsage["pod"]) => ({ namespace: namespaceOf(pod), pod: nameOf(pod) });
