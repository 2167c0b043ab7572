import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { addMetric, type Sample } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import { identityName } from "../object/identity-name.ts";

/** How often one result came about, and when it did last. */
interface Happened {
  readonly count: number;
  readonly last_ms: number | undefined;
}

const NEVER: Happened = { count: 0, last_ms: undefined };

const RESULTS = ["success", "failure"] as const;

/**
 * Shows the active encryption configuration and the results of its reloads (upstream:
 * server/options/encryptionconfig/metrics). Servers are distinguished by a hash of their identity.
 */
export function showEncryption(
  metrics: Registry,
  encryption: { readonly config?: string | undefined },
  reloads: Readonly<Record<(typeof RESULTS)[number], Happened>> = {
    success: NEVER,
    failure: NEVER,
  },
): void {
  const apiserver_id_hash = hashOf(identityName(hostname()));
  const show = (name: string, help: string, type: "counter" | "gauge", samples: () => Sample[]) =>
    addMetric(metrics,
      { name: `apiserver_encryption_config_controller_${name}`, help, type }, samples);
  show("last_config_info", "1 for the configuration that holds.", "gauge", () => {
    const { config } = encryption;
    if (config === undefined) return [];
    return [{ labels: { apiserver_id_hash, hash: hashOf(config) }, value: 1 }];
  });
  show("automatic_reloads_total", "How often it was read again.", "counter", () =>
    RESULTS.flatMap((status) => {
      const { count } = reloads[status];
      return count === 0 ? [] : [{ labels: { apiserver_id_hash, status }, value: count }];
    }));
  show("automatic_reload_last_timestamp_seconds", "When that was last.", "gauge", () =>
    RESULTS.flatMap((status) => {
      const { last_ms } = reloads[status];
      if (last_ms === undefined) return [];
      return [{ labels: { apiserver_id_hash, status }, value: last_ms / 1_000 }];
    }));
}

const hashOf = (text: string): string =>
  `sha256:${createHash("sha256").update(text).digest("hex")}`;
