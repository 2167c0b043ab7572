import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { NodeUsage } from "../node/node-usage.ts";
import { nameOf, namespaceOf } from "../pods/pod-identity.ts";
import { type PrometheusSample, PrometheusText } from "./prometheus-text.ts";
import type { PodUsage, Usage } from "./stats.ts";

/** Returns the body of /metrics/resource, which metrics-server scrapes. */
export function resourceMetrics(node: NodeUsage, pods: PodUsage[], now_ms: number): string {
  const text = new PrometheusText();
  text.metric("node_cpu_usage_seconds_total", "counter", "Cumulative cpu time of the node", [
    [{}, node.cpu_ns / 1e9, now_ms],
  ]);
  text.metric("node_memory_working_set_bytes", "gauge", "Working set of the node", [
    [{}, node.memory.workingSet_bytes, now_ms],
  ]);
  text.metric("node_swap_usage_bytes", "gauge", "Swap usage of the node", [
    [{}, node.swap.usage_bytes, now_ms],
  ]);
  const containers = pods.flatMap(({ pod, containers }) =>
    containers.map((usage) => ({ labels: { container: usage.name, ...labelsOf(pod) }, usage })),
  );
  text.metric(
    "container_cpu_usage_seconds_total",
    "counter",
    "Cumulative cpu time of the container",
    containers.flatMap(({ labels, usage }) => cpuSeconds(labels, usage)),
  );
  text.metric(
    "container_memory_working_set_bytes",
    "gauge",
    "Working set of the container",
    containers.flatMap(({ labels, usage }) => workingSet(labels, usage)),
  );
  text.metric(
    "container_swap_usage_bytes",
    "gauge",
    "Swap usage of the container",
    containers.flatMap(({ labels, usage: { swap } }) =>
      swap?.usage_bytes === undefined ? [] : [[labels, swap.usage_bytes, swap.time_ms]],
    ),
  );
  text.metric(
    "container_start_time_seconds",
    "gauge",
    "Start time of the container since unix epoch",
    containers.flatMap(({ labels, usage: { started_ms } }) =>
      started_ms === undefined ? [] : [[labels, started_ms / 1e3, undefined]],
    ),
  );
  const whole = pods.flatMap(({ pod, whole: usage }) =>
    usage ? [{ labels: labelsOf(pod), usage }] : [],
  );
  text.metric(
    "pod_cpu_usage_seconds_total",
    "counter",
    "Cumulative cpu time of the pod",
    whole.flatMap(({ labels, usage }) => cpuSeconds(labels, usage)),
  );
  text.metric(
    "pod_memory_working_set_bytes",
    "gauge",
    "Working set of the pod",
    whole.flatMap(({ labels, usage }) => workingSet(labels, usage)),
  );
  text.metric("resource_scrape_error", "gauge", "1 if there was an error, 0 otherwise", [
    [{}, 0, undefined],
  ]);
  return text.toString();
}

const labelsOf = (pod: Pod) => ({ namespace: namespaceOf(pod), pod: nameOf(pod) });

/** Returns no sample for usage that was not measured: 0 would be a value. */
function cpuSeconds(labels: Record<string, string>, { cpu }: Usage): PrometheusSample[] {
  return cpu ? [[labels, cpu.total_ns / 1e9, cpu.time_ms]] : [];
}

function workingSet(labels: Record<string, string>, { memory }: Usage): PrometheusSample[] {
  const bytes = memory?.workingSet_bytes;
  return memory && bytes !== undefined ? [[labels, bytes, memory.time_ms]] : [];
}
