import { MetricArea } from "@raft2kube/observe/families.ts";

/** The audit log, under upstream's names (apiserver/pkg/audit). */
export class AuditMetrics extends MetricArea {
  readonly #events = this.counter(
    "apiserver_audit_event_total",
    "Events for the audit backends.",
  ).of();
  readonly #levels = this.counter("apiserver_audit_level_total", "Requests by their audit level.");
  readonly #errors = this.counter(
    "apiserver_audit_error_total",
    "Events that a backend did not write.",
  );
  readonly #rejected = this.counter(
    "apiserver_audit_requests_rejected_total",
    "Requests refused as their event could not be written.",
  ).of();

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
