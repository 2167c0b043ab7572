import {
  addMetric,
  type Counter,
  exponentialBounds,
  MetricArea,
  type Sample,
} from "@raft2kube/observe/families.ts";
import { metricsRegistry, type Registry } from "@raft2kube/observe/metrics.ts";
import { hashOf, serverIdHash } from "@raft2kube/observe/server-identity.ts";
import { goCodeName, RpcError } from "@raft2kube/rpc/error.ts";
import { type Clock, stopwatch } from "@raft2kube/std/clock.ts";
import { RecentMap } from "@raft2kube/std/recent-map.ts";
import { KMS_COUNTED_KEYS_MAX } from "./limits.ts";
import type { ValueEncryption } from "./value-encryption.ts";

type Direction = "to_storage" | "from_storage";

/** The key that the last good status of a plugin named, and when. */
export type Named = { readonly keyId: string; readonly at_s: number } | undefined;
type Plugin = { readonly name: string; readonly named: Named; readonly seedCount: number };

const KMS = "apiserver_envelope_encryption";

/**
 * Encryption and decryption of values, and the plugins that are asked for keys (upstream:
 * storage/value/metrics.go, envelope/metrics). They count before there is a server to show them.
 */
export class EncryptionMetrics extends MetricArea {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #operations = this.counter(
    "apiserver_storage_transformation_operations_total",
    "Values encrypted and decrypted.",
  );
  readonly #durations = this.histogram(
    "apiserver_storage_transformation_duration_seconds",
    "Time of that.",
    exponentialBounds(5e-6, 2, 25),
  );
  readonly #calls = this.histogram(
    `${KMS}_kms_operations_latency_seconds`,
    "Time of a plugin's calls.",
    exponentialBounds(0.0001, 2, 20),
  );
  readonly #counts = this.counter(
    `${KMS}_key_id_hash_total`,
    "Values that a key encrypted and decrypted.",
  );
  readonly #times = this.gauge(`${KMS}_key_id_hash_last_timestamp_seconds`, "When a key last did.");
  readonly #invalidKeyIds = this.counter(
    `${KMS}_invalid_key_id_from_status_total`,
    "Statuses with a key id that is none.",
  );
  /** Values whose seed was not known when they were read. */
  readonly misses: Counter = this.counter(
    "apiserver_storage_envelope_transformation_cache_misses_total",
    "Seeds that a plugin was asked to decrypt.",
  ).of();
  /** The labels of keys' uses. Keys used too long ago are shown no more. */
  readonly #uses = new RecentMap<string, Readonly<Record<string, string>>>(
    KMS_COUNTED_KEYS_MAX,
    (labels) => [this.#counts, this.#times].forEach((each) => each.delete(labels)),
  );

  constructor(clock: Clock) {
    const registry = metricsRegistry();
    super(registry);
    this.#registry = registry;
    this.#clock = clock;
  }

  /** Shows them among those of a server, and the plugins that an encryption has by then. */
  showIn(registry: Registry, of: { readonly plugins: readonly Plugin[] }): void {
    for (const each of this.#registry.getMetricsAsArray()) registry.registerMetric(each as never);
    const show = (name: string, help: string, samples: (plugin: Plugin) => Sample[]) =>
      addMetric(registry, { name, help, type: "gauge" }, () => of.plugins.flatMap(samples));
    show(
      `${KMS}_key_id_hash_status_last_timestamp_seconds`,
      "When a plugin's status last named its key.",
      ({ name, named }) => (named ? [{ labels: keyed(name, named.keyId), value: named.at_s }] : []),
    );
    show(
      `${KMS}_dek_source_cache_size`,
      "Seeds that are known decrypted.",
      ({ name, seedCount }) => [{ labels: { provider_name: name }, value: seedCount }],
    );
  }

  /** Times a call of a plugin. */
  async called<T>(provider_name: string, method: string, call: Promise<T>): Promise<T> {
    const took_s = stopwatch(this.#clock);
    let grpc_status_code = "OK";
    try {
      return await call;
    } catch (thrown) {
      grpc_status_code = thrown instanceof RpcError ? goCodeName(thrown) : "unknown-non-grpc";
      throw thrown;
    } finally {
      const method_name = `/v2.KeyManagementService/${method}`;
      this.#calls.of({ method_name, grpc_status_code, provider_name }).observe(took_s());
    }
  }

  /** A key of a plugin encrypted or decrypted a value. */
  used(plugin: string, keyId: string, direction: Direction): void {
    const key = `${direction} ${plugin} ${keyId}`;
    const known = this.#uses.get(key);
    const labels = known ?? { transformation_type: direction, ...keyed(plugin, keyId) };
    this.#uses.set(key, labels);
    this.#counts.of(labels).add();
    this.#times.of(labels).value = this.#clock.now() / 1_000;
  }

  /** A status of a plugin had a key id that is none. */
  misnamed(provider_name: string, keyId: string): void {
    const error = keyId === "" ? "empty" : "too_long";
    this.#invalidKeyIds.of({ error, provider_name }).add();
  }

  /** The same encryption, counted and timed; `resource` is the label. */
  measured(inner: ValueEncryption, resource: string): ValueEncryption {
    return {
      ...inner,
      encrypt: (key, value) => {
        const took_s = stopwatch(this.#clock);
        const encrypted = inner.encrypt(key, value);
        this.#ended(resource, "to_storage", encrypted, "OK", took_s());
        return encrypted;
      },
      decrypt: (key, stored) => {
        const took_s = stopwatch(this.#clock);
        try {
          const opened = inner.decrypt(key, stored);
          this.#ended(resource, "from_storage", stored, "OK", took_s());
          return opened;
        } catch (thrown) {
          this.#ended(resource, "from_storage", stored, "Internal");
          throw thrown;
        }
      },
    };
  }

  /** Encrypting takes many times what it takes to find these rows by their labels. */
  #ended(
    resource: string,
    transformation_type: Direction,
    stored: Buffer,
    status: "OK" | "Internal",
    seconds?: number,
  ): void {
    const labels = { transformation_type, transformer_prefix: prefixOf(stored) };
    this.#operations.of({ ...labels, resource, status }).add();
    if (seconds !== undefined) this.#durations.of(labels).observe(seconds);
  }
}

const keyed = (provider_name: string, keyId: string) => ({
  key_id_hash: hashOf(keyId),
  apiserver_id_hash: serverIdHash(),
  provider_name,
});

const PREFIX_BYTES_MAX = 32;

/** How a value was encrypted, without the key's name: `k8s:enc:secretbox:v1:`. */
function prefixOf(stored: Buffer): string {
  const start = stored.subarray(0, PREFIX_BYTES_MAX).toString("latin1");
  return /^k8s:enc:[a-z]+:v\d:/.exec(start)?.[0] ?? "identity";
}
