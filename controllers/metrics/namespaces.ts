import { exponentialBounds, MetricArea } from "@raft2kube/observe/families.ts";

/** The certificates of the apiserver in every namespace. */
export class RootCaMetrics extends MetricArea {
  readonly #syncs = this.counter("root_ca_cert_publisher_sync_total", "Looks at namespaces.");
  readonly #durations = this.histogram(
    "root_ca_cert_publisher_sync_duration_seconds",
    "How long a look at a namespace took.",
    exponentialBounds(0.001, 2, 15),
  );

  /** A look at a namespace ended with an HTTP status. */
  synced(status: number, took_s: number): void {
    const labels = { code: String(status) };
    this.#syncs.of(labels).add();
    this.#durations.of(labels).observe(took_s);
  }
}
