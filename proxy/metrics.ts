import { exponentialBounds, MetricArea } from "@raft2kube/observe/families.ts";
import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { addProcessMetrics } from "@raft2kube/observe/process-metrics.ts";

const BOUNDS_S = exponentialBounds(0.001, 2, 15);
/** All rules are of IPv4. */
const FAMILY = { ip_family: "IPv4" };

/** The proxy's metrics under upstream's names; failures are those of nftables in every mode. */
export class ProxyMetrics extends MetricArea {
  readonly #durations = ["proxy", "full_proxy", "partial_proxy"].map((kind) => {
    const name = `kubeproxy_sync_${kind}_rules_duration_seconds`;
    return this.histogram(name, "Duration of a sync of rules.", BOUNDS_S).of(FAMILY);
  });
  readonly #last = this.gauge(
    "kubeproxy_sync_proxy_rules_last_timestamp_seconds",
    "When rules were synced last.",
  ).of(FAMILY);
  readonly failures = this.counter(
    "kubeproxy_sync_proxy_rules_nftables_sync_failures_total",
    "Syncs that failed.",
  ).of(FAMILY);

  constructor() {
    super(metricsRegistry());
    addProcessMetrics(this.registry);
  }

  /** Counts a sync of all rules, or of those that change. */
  synced(isFull: boolean, took_ms: number, now_ms: number): void {
    const [all, full, partial] = this.#durations;
    for (const each of [all, isFull ? full : partial]) each?.observe(took_ms / 1_000);
    this.#last.value = now_ms / 1_000;
  }
}
