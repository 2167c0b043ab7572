import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { addMetric, type Sample } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import { identityName } from "../object/identity-name.ts";

/** How often one result came about, and when it did last. */
type Happened = { readonly count: number; readonly last_ms: number | undefined };

const NEVER: Happened = { count: 0, last_ms: undefined };

const RESULTS = ["success", "failure"] as const;

/** The results of reading a configuration again. */
export type ReloadResults = Readonly<Record<(typeof RESULTS)[number], Happened>>;

/** Distinguishes servers in metrics: a hash of this one's identity. */
export const serverIdHash = (): string => hashOf(identityName(hostname()));

export const hashOf = (text: string): string =>
  `sha256:${createHash("sha256").update(text).digest("hex")}`;

/**
 * Shows a configuration that holds and the results of its reloads, under upstream's names
 * (`apiserver_KIND_config_controller_*`); `text` is undefined where there is none.
 */
export function showConfig(
  metrics: Registry,
  kind: "encryption" | "authentication" | "authorization",
  text: () => string | undefined,
  reloads: ReloadResults = { success: NEVER, failure: NEVER },
): void {
  const apiserver_id_hash = serverIdHash();
  const show = (name: string, help: string, type: "counter" | "gauge", samples: () => Sample[]) =>
    addMetric(
      metrics,
      { name: `apiserver_${kind}_config_controller_${name}`, help, type },
      samples,
    );
  show("last_config_info", "1 for the configuration that holds.", "gauge", () => {
    const config = text();
    if (config === undefined) return [];
    return [{ labels: { apiserver_id_hash, hash: hashOf(config) }, value: 1 }];
  });
  show("automatic_reloads_total", "How often it was read again.", "counter", () =>
    RESULTS.flatMap((status) => {
      const { count } = reloads[status];
      return count === 0 ? [] : [{ labels: { apiserver_id_hash, status }, value: count }];
    }),
  );
  show("automatic_reload_last_timestamp_seconds", "When that was last.", "gauge", () =>
    RESULTS.flatMap((status) => {
      const { last_ms } = reloads[status];
      if (last_ms === undefined) return [];
      return [{ labels: { apiserver_id_hash, status }, value: last_ms / 1_000 }];
    }),
  );
}
