import { addMetric, type MetricHead, type Sample } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import { hashOf, serverIdHash } from "@raft2kube/observe/server-identity.ts";
import type { Reloads } from "@raft2kube/reconcile/followed-file.ts";

const RESULTS = ["success", "failure"] as const;

/**
 * Shows a configuration that holds and the results of its reloads, under upstream's names
 * (`apiserver_KIND_config_controller_*`); `text` is undefined where there is none.
 */
export function showConfig(
  metrics: Registry,
  kind: "encryption" | "authentication" | "authorization",
  text: () => string | undefined,
  reloads: Reloads = { success: { count: 0 }, failure: { count: 0 } },
): void {
  const apiserver_id_hash = serverIdHash();
  const show = (of: string, help: string, type: MetricHead["type"], samples: () => Sample[]) =>
    addMetric(metrics, { name: `apiserver_${kind}_config_controller_${of}`, help, type }, samples);
  /** A sample of each result that came about. */
  const byResult = (value: (result: Reloads["success"]) => number) => () =>
    RESULTS.filter((status) => reloads[status].count > 0).map((status) => ({
      labels: { apiserver_id_hash, status },
      value: value(reloads[status]),
    }));
  show("last_config_info", "1 for the configuration that holds.", "gauge", () => {
    const config = text();
    if (config === undefined) return [];
    return [{ labels: { apiserver_id_hash, hash: hashOf(config) }, value: 1 }];
  });
  const totals = byResult(({ count }) => count);
  show("automatic_reloads_total", "How often it was read again.", "counter", totals);
  const times = byResult(({ last_ms = 0 }) => last_ms / 1_000);
  show("automatic_reload_last_timestamp_seconds", "When that was last.", "gauge", times);
}
