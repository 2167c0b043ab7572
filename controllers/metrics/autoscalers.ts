import type { HorizontalPodAutoscaler } from "@raft2kube/api/gen/autoscaling/v2.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { addMetric, exponentialBounds, MetricArea } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";

const PREFIX = "horizontal_pod_autoscaler_controller";
const BOUNDS_S = exponentialBounds(0.001, 2, 15);

type Action = "scale_up" | "scale_down" | "none";

/** Steps of HorizontalPodAutoscalers, and the replicas that their metrics requested. */
export class AutoscalerMetrics extends MetricArea {
  readonly #reconciliations = this.counter(
    `${PREFIX}_reconciliations_total`,
    "Steps of autoscalers.",
  );
  readonly #durations = this.histogram(
    `${PREFIX}_reconciliation_duration_seconds`,
    "How long a step of an autoscaler took.",
    BOUNDS_S,
  );
  readonly #computations = this.counter(
    `${PREFIX}_metric_computation_total`,
    "Metrics that were read.",
  );
  readonly #computationDurations = this.histogram(
    `${PREFIX}_metric_computation_duration_seconds`,
    "How long the metrics of a step took, which are read together.",
    BOUNDS_S,
  );
  readonly #desired = new Map<string, { labels: Record<string, string>; value: number }>();
  #count: () => number = () => 0;

  constructor(registry: Registry) {
    super(registry);
    const gauge = (last: string, help: string) =>
      ({ name: `${PREFIX}_${last}`, help, type: "gauge" }) as const;
    addMetric(registry, gauge("num_horizontal_pod_autoscalers", "Autoscalers."), () => [
      { labels: {}, value: this.#count() },
    ]);
    addMetric(registry, gauge("desired_replicas", "Replicas that autoscalers want."), () => [
      ...this.#desired.values(),
    ]);
  }

  /** Shows how many autoscalers there are. */
  show(count: () => number): void {
    this.#count = count;
  }

  reconciled(failed: boolean, action: Action, took_s: number): void {
    const labels = { action, error: failed ? "internal" : "none" };
    this.#reconciliations.of(labels).add();
    this.#durations.of(labels).observe(took_s);
  }

  /** A metric of this type asked for more replicas, for fewer, for none, or could not be read. */
  computed({ type, outcome }: { type: string; outcome: Action | "failed" }, took_s: number): void {
    const failed = outcome === "failed";
    const labels = {
      action: failed ? "none" : outcome,
      error: failed ? "internal" : "none",
      metric_type: type,
    };
    this.#computations.of(labels).add();
    this.#computationDurations.of(labels).observe(took_s);
  }

  desired(autoscaler: HorizontalPodAutoscaler, replicas: number): void {
    const { namespace = "", name = "" } = autoscaler.metadata;
    const labels = { hpa_name: name, namespace };
    this.#desired.set(keyOf(autoscaler), { labels, value: replicas });
  }

  forget(key: string): void {
    this.#desired.delete(key);
  }
}
