import { addMetric } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { Encryption } from "@raft2kube/encryption/config.ts";
import { hashOf, serverIdHash } from "./config-reloads.ts";

/** Shows what is known of the plugins that encrypt keys (upstream: envelope/metrics). */
export function showPlugins(registry: Registry, encryption: Pick<Encryption, "plugins">): void {
  const name = (of: string) => `apiserver_envelope_encryption_${of}`;
  const apiserver_id_hash = serverIdHash();
  addMetric(registry, {
    name: name("dek_source_cache_size"), type: "gauge", help: "Seeds that are known decrypted.",
  }, () => encryption.plugins.map((plugin) =>
    ({ labels: { provider_name: plugin.name }, value: plugin.shown.seeds })));
  addMetric(registry, {
    name: name("key_id_hash_status_last_timestamp_seconds"), type: "gauge",
    help: "When a plugin's status last named its key.",
  }, () => encryption.plugins.flatMap(({ name: provider_name, shown: { status } }) => {
    if (status === undefined) return [];
    const labels = { provider_name, key_id_hash: hashOf(status.keyId), apiserver_id_hash };
    return [{ labels, value: status.at_ms / 1_000 }];
  }));
}
