import { parseDuration } from "@raft2kube/api/duration.ts";
import type { PodMetrics } from "@raft2kube/api/gen/metrics/v1beta1.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import { milliValueOf } from "@raft2kube/std/quantity.ts";

/** One pod's usage of one resource, in thousandths of its unit. */
export interface PodMetric {
  readonly milli: number;
  readonly time_ms: number;
  readonly window_ms: number;
}

/** Metrics by the pod's name. */
export type MetricsByPod = ReadonlyMap<string, PodMetric>;

/**
 * Returns each pod's usage of a resource: the sum over its containers, or one container's part. A
 * pod of which a container (or that container) was not measured is left out.
 */
export function metricsOf(
  items: readonly PodMetrics[],
  resource: string,
  container: string,
): MetricsByPod {
  const found = new Map<string, PodMetric>();
  for (const { metadata, containers, timestamp, window } of items) {
    const counted =
      container === "" ? containers : containers.filter(({ name }) => name === container);
    const amounts = counted.map(({ usage }) => usage[resource]);
    if (amounts.length === 0 || amounts.includes(undefined)) continue;
    const milli = amounts.reduce((sum, each) => sum + milliValueOf(each ?? "0"), 0);
    const window_ms = Number(parseDuration(window) ?? 0n) / 1e6;
    found.set(metadata.name ?? "", { milli, time_ms: timeOf(timestamp) ?? 0, window_ms });
  }
  return found;
}
