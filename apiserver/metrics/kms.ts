import type { Encryption } from "@raft2kube/encryption/config.ts";
import type { KmsPlugin } from "@raft2kube/encryption/kms/plugin.ts";
import { addMetric, type MetricHead, type Sample } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import { hashOf, serverIdHash } from "./config-reloads.ts";

/** Shows what is known of the plugins that encrypt keys (upstream: envelope/metrics). */
export function showPlugins(registry: Registry, encryption: Pick<Encryption, "plugins">): void {
  const apiserver_id_hash = serverIdHash();
  const show = (
    of: string,
    type: MetricHead["type"],
    help: string,
    samples: (plugin: KmsPlugin, name: string) => Sample[],
  ) => {
    const name = `apiserver_envelope_encryption_${of}`;
    addMetric(registry, { name, type, help }, () =>
      encryption.plugins.flatMap((plugin) =>
        samples(plugin, name).map(({ labels, ...sample }) => ({
          ...sample,
          labels: { ...labels, provider_name: plugin.name },
        })),
      ),
    );
  };
  const keyed = (keyId: string) => ({ key_id_hash: hashOf(keyId), apiserver_id_hash });

  show("dek_source_cache_size", "gauge", "Seeds that are known decrypted.", ({ shown }) => [
    { labels: {}, value: shown.seeds },
  ]);
  show(
    "key_id_hash_status_last_timestamp_seconds",
    "gauge",
    "When a plugin's status last named its key.",
    ({ shown: { status } }) =>
      status ? [{ labels: keyed(status.keyId), value: status.at_ms / 1_000 }] : [],
  );
  show(
    "key_id_hash_total",
    "counter",
    "Values that a key encrypted and decrypted.",
    ({ counters }) =>
      [...counters.uses.values()].map(({ keyId, transformation_type, count }) => ({
        labels: { ...keyed(keyId), transformation_type },
        value: count,
      })),
  );
  show("key_id_hash_last_timestamp_seconds", "gauge", "When a key last did.", ({ counters }) =>
    [...counters.uses.values()].map(({ keyId, transformation_type, last_ms }) => ({
      labels: { ...keyed(keyId), transformation_type },
      value: last_ms / 1_000,
    })),
  );
  show(
    "invalid_key_id_from_status_total",
    "counter",
    "Statuses with a key id that is none.",
    ({ counters }) =>
      [...counters.invalidKeyIds].map(([error, value]) => ({ labels: { error }, value })),
  );
  show(
    "kms_operations_latency_seconds",
    "histogram",
    "Time of a plugin's calls.",
    ({ counters }, name) =>
      [...counters.calls.values()].flatMap(({ seconds, ...labels }) =>
        seconds.samples(name, labels),
      ),
  );
  addMetric(
    registry,
    {
      name: "apiserver_storage_envelope_transformation_cache_misses_total",
      type: "counter",
      help: "Seeds that a plugin was asked to decrypt.",
    },
    () => [
      {
        labels: {},
        value: encryption.plugins.reduce((sum, { counters }) => sum + counters.misses, 0),
      },
    ],
  );
}
