import { type Counter, type CounterFamily, MetricArea } from "@raft2kube/observe/families.ts";

/** The audit log, under upstream's names (apiserver/pkg/audit). */
export class AuditMetrics extends MetricArea {
  readonly events: Counter = this.counter("apiserver_audit_event_total", "Events to write.").of();
  /** Requests by the label `level`. */
  readonly levels: CounterFamily = this.counter(
    "apiserver_audit_level_total",
    "Requests by their audit level.",
  );
  /** Lost events by the label `plugin`, the backend. */
  readonly errors: CounterFamily = this.counter(
    "apiserver_audit_error_total",
    "Events that a backend did not write.",
  );
  readonly rejected: Counter = this.counter(
    "apiserver_audit_requests_rejected_total",
    "Requests refused as their event could not be written.",
  ).of();
}
