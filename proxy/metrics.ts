import { type Counter, exponentialBounds, familiesOf } from "@raft2kube/observe/families.ts";
import { metricsRegistry, type Registry } from "@raft2kube/observe/metrics.ts";
import { addProcessMetrics } from "@raft2kube/observe/process-metrics.ts";

const BOUNDS_S = exponentialBounds(0.001, 2, 15);
/** All rules are of IPv4. */
const FAMILY = { ip_family: "IPv4" };

/** The proxy's metrics under upstream's names; failures are those of nftables in every mode. */
export class ProxyMetrics {
  readonly registry: Registry = metricsRegistry();
  readonly #declare = familiesOf(this.registry);
  readonly #all = this.#durations("sync_proxy_rules");
  readonly #full = this.#durations("sync_full_proxy_rules");
  readonly #partial = this.#durations("sync_partial_proxy_rules");
  readonly #last = this.#declare
    .gauge("kubeproxy_sync_proxy_rules_last_timestamp_seconds", "When rules were synced last.")
    .of(FAMILY);
  readonly failures: Counter = this.#declare
    .counter("kubeproxy_sync_proxy_rules_nftables_sync_failures_total", "Syncs that failed.")
    .of(FAMILY);

  constructor() {
    addProcessMetrics(this.registry);
  }

  /** Counts a sync of all rules, or of those that change. */
  synced(isFull: boolean, took_ms: number, now_ms: number): void {
    const kind = isFull ? this.#full : this.#partial;
    for (const each of [this.#all, kind]) each.observe(took_ms / 1_000);
    this.#last.value = now_ms / 1_000;
  }

  #durations(name: string) {
    const full = `kubeproxy_${name}_duration_seconds`;
    return this.#declare.histogram(full, "Duration of a sync of rules.", BOUNDS_S).of(FAMILY);
  }
}
