import type { NodeUsage } from "../node/node-usage.ts";
import type { PodUsage } from "./stats.ts";

/** The body of /metrics/resource, which metrics-server scrapes: usage now, without history. */
export function resourceMetrics(node: NodeUsage, pods: PodUsage[], now_ms: number): string {
  const text = new Exposition();
  text.metric("node_cpu_usage_seconds_total", "counter", "Cumulative cpu time of the node", [
    [{}, node.cpu_ns / 1e9, now_ms],
  ]);
  text.metric("node_memory_working_set_bytes", "gauge", "Working set of the node", [
    [{}, node.workingSet_bytes, now_ms],
  ]);
  const containers = pods.flatMap(({ name: pod, namespace, containers }) =>
    containers.map((usage) => ({ labels: { container: usage.name, namespace, pod }, usage })),
  );
  text.metric(
    "container_cpu_usage_seconds_total",
    "counter",
    "Cumulative cpu time of the container",
    containers.map(({ labels, usage }) => [labels, usage.cpu_ns / 1e9, usage.time_ms]),
  );
  text.metric(
    "container_memory_working_set_bytes",
    "gauge",
    "Working set of the container",
    containers.map(({ labels, usage }) => [labels, usage.workingSet_bytes, usage.time_ms]),
  );
  text.metric(
    "container_start_time_seconds",
    "gauge",
    "Start time of the container since unix epoch",
    containers.map(({ labels, usage }) => [labels, usage.started_ms / 1e3, undefined]),
  );
  const whole = pods.flatMap(({ name, namespace, pod }) =>
    pod ? [{ labels: { namespace, pod: name }, usage: pod }] : [],
  );
  text.metric(
    "pod_cpu_usage_seconds_total",
    "counter",
    "Cumulative cpu time of the pod",
    whole.map(({ labels, usage }) => [labels, usage.cpu_ns / 1e9, usage.time_ms]),
  );
  text.metric(
    "pod_memory_working_set_bytes",
    "gauge",
    "Working set of the pod",
    whole.map(({ labels, usage }) => [labels, usage.workingSet_bytes, usage.time_ms]),
  );
  text.metric("resource_scrape_error", "gauge", "1 if there was an error, 0 otherwise", [
    [{}, 0, undefined],
  ]);
  return text.toString();
}

type Sample = [labels: Record<string, string>, value: number, time_ms: number | undefined];

/** Prometheus' text format. */
class Exposition {
  readonly #lines: string[] = [];

  metric(name: string, type: "counter" | "gauge", help: string, samples: Sample[]): void {
    if (samples.length === 0) return;
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const [labels, value, time_ms] of samples) {
      const pairs = Object.entries(labels).map(([key, text]) => `${key}=${JSON.stringify(text)}`);
      const of = pairs.length > 0 ? `{${pairs.join(",")}}` : "";
      this.#lines.push(`${name}${of} ${value}${time_ms === undefined ? "" : ` ${time_ms}`}`);
    }
  }

  toString(): string {
    return `${this.#lines.join("\n")}\n`;
  }
}
