import { addMetric, MetricArea } from "./families.ts";
import { metricsRegistry } from "./metrics.ts";

/**
 * Results of health checks for `/metrics/slis`, which is scraped often and has no other metrics
 * (upstream: component-base/metrics/prometheus/slis).
 */
export class HealthMetrics extends MetricArea {
  readonly #checks = this.counter(
    "kubernetes_healthchecks_total",
    "Health checks that were asked for, by what they said.",
  );
  /** The last result of each, 1 for good. */
  readonly #last = new Map<string, { labels: Record<string, string>; value: number }>();

  constructor() {
    super(metricsRegistry());
    const head = { name: "kubernetes_healthcheck", help: "What a health check said last." };
    addMetric(this.registry, { ...head, type: "gauge" }, () => [...this.#last.values()]);
  }

  /** A check of a page, such as `readyz`, was asked for. */
  checked(type: string, name: string, good: boolean): void {
    this.#last.set(`${type}/${name}`, { labels: { name, type }, value: good ? 1 : 0 });
    this.#checks.of({ name, status: good ? "success" : "error", type }).add();
  }
}
