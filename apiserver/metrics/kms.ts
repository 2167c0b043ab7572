import type { Encryption } from "@raft2kube/encryption/config.ts";
import type { Uses } from "@raft2kube/encryption/kms/counters.ts";
import type { KmsPlugin } from "@raft2kube/encryption/kms/plugin.ts";
import { addMetric, type MetricHead, type Sample } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import { hashOf, serverIdHash } from "./config-reloads.ts";
import { typeOf } from "./families.ts";

const keyed = (keyId: string) => ({
  key_id_hash: hashOf(keyId),
  apiserver_id_hash: serverIdHash(),
});

/** A sample of each key and direction in which a plugin's keys were used. */
const ofUses =
  (valueOf: (uses: Uses) => number) =>
  ({ counters: { uses } }: KmsPlugin): Sample[] =>
    [...uses.values()].map((use) => ({
      labels: { ...keyed(use.keyId), transformation_type: use.transformation_type },
      value: valueOf(use),
    }));

type PluginMetric = readonly [help: string, samples: (plugin: KmsPlugin, name: string) => Sample[]];

/** Metrics of plugins, by what their names end in; each has the samples of one plugin. */
const OF_PLUGINS: Readonly<Record<string, PluginMetric>> = {
  dek_source_cache_size: [
    "Seeds that are known decrypted.",
    ({ shown }) => [{ labels: {}, value: shown.seeds }],
  ],
  key_id_hash_status_last_timestamp_seconds: [
    "When a plugin's status last named its key.",
    ({ shown: { status } }) =>
      status ? [{ labels: keyed(status.keyId), value: status.at_ms / 1_000 }] : [],
  ],
  key_id_hash_total: ["Values that a key encrypted and decrypted.", ofUses(({ count }) => count)],
  key_id_hash_last_timestamp_seconds: [
    "When a key last did.",
    ofUses(({ last_ms }) => last_ms / 1_000),
  ],
  invalid_key_id_from_status_total: [
    "Statuses with a key id that is none.",
    ({ counters }) =>
      [...counters.invalidKeyIds].map(([error, value]) => ({ labels: { error }, value })),
  ],
};

/** Shows what is known of the plugins that encrypt keys (upstream: envelope/metrics). */
export function showPlugins(registry: Registry, encryption: Pick<Encryption, "plugins">): void {
  const show = (name: string, type: MetricHead["type"], [help, samples]: PluginMetric) =>
    addMetric(registry, { name, type, help }, () =>
      encryption.plugins.flatMap((plugin) =>
        samples(plugin, name).map(({ labels, ...sample }) => ({
          ...sample,
          labels: { ...labels, provider_name: plugin.name },
        })),
      ),
    );
  const area = "apiserver_envelope_encryption";
  for (const [of, metric] of Object.entries(OF_PLUGINS)) {
    show(`${area}_${of}`, typeOf(of), metric);
  }
  show(`${area}_kms_operations_latency_seconds`, "histogram", [
    "Time of a plugin's calls.",
    ({ counters }, name) =>
      [...counters.calls.values()].flatMap(({ seconds, ...labels }) =>
        seconds.samples(name, labels),
      ),
  ]);
  const name = "apiserver_storage_envelope_transformation_cache_misses_total";
  const help = "Seeds that a plugin was asked to decrypt.";
  addMetric(registry, { name, type: "counter", help }, () => {
    const misses = encryption.plugins.reduce((sum, { counters }) => sum + counters.misses, 0);
    return [{ labels: {}, value: misses }];
  });
}
