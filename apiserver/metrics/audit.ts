import { type Counter, type CounterFamily, familiesOf } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";

/** The audit log, under upstream's names (apiserver/pkg/audit). */
export class AuditMetrics {
  readonly #events: Counter;
  readonly #levels: CounterFamily;
  readonly #errors: CounterFamily;
  readonly #rejected: Counter;

  constructor(registry: Registry) {
    const { counter } = familiesOf(registry);
    this.#events = counter("apiserver_audit_event_total", "Events for the audit backends.").of();
    this.#levels = counter("apiserver_audit_level_total", "Requests by their audit level.");
    this.#errors = counter("apiserver_audit_error_total",
      "Events that a backend did not write.");
    this.#rejected = counter("apiserver_audit_requests_rejected_total",
      "Requests refused as their event could not be written.").of();
  }

  event(): void {
    this.#events.add();
  }

  level(level: string): void {
    this.#levels.of({ level }).add();
  }

  failed(plugin: string, events: number): void {
    this.#errors.of({ plugin }).add(events);
  }

  rejected(): void {
    this.#rejected.add();
  }
}
