import { addMetric, type CounterFamily, familiesOf } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";

/** Results of health checks, under etcd's names (upstream: etcdserver/api/etcdhttp/health.go). */
export class HealthMetrics {
  readonly #success: CounterFamily;
  readonly #failures: CounterFamily;
  readonly #checks: CounterFamily;
  /** The last result of each, 1 for good. */
  readonly #last = new Map<string, { labels: Record<string, string>; value: number }>();

  constructor(registry: Registry) {
    const counter = (name: string, help: string) =>
      familiesOf(registry).counter(`etcd_server_${name}`, help);
    this.#success = counter("health_success", "Answers of /health that were good.");
    this.#failures = counter("health_failures", "Answers of /health that were not.");
    this.#success.of();
    this.#failures.of();
    this.#checks = counter("healthchecks_total", "Checks of /livez and /readyz by result.");
    const head = { name: "etcd_server_healthcheck", help: "1 for a good check.", type: "gauge" };
    addMetric(registry, { ...head, type: "gauge" }, () => [...this.#last.values()]);
  }

  /** Counts a response of /health. */
  answered(healthy: boolean): void {
    (healthy ? this.#success : this.#failures).of().add();
  }

  /** Counts one check of a health page. */
  checked(type: string, name: string, good: boolean): void {
    this.#last.set(`${type}/${name}`, { labels: { type, name }, value: good ? 1 : 0 });
    this.#checks.of({ type, name, status: good ? "success" : "error" }).add();
  }
}
