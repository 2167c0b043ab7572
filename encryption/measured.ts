import { CounterFamily, exponentialBounds, HistogramFamily } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { type Encryption, encryptionOf } from "./config.ts";
import { PLAIN, type ValueEncryption } from "./value-encryption.ts";

type Direction = "to_storage" | "from_storage";

/** Encryption and decryption of values (upstream: storage/value/metrics.go). */
class EncryptionMetrics {
  readonly #operations: CounterFamily;
  readonly #durations: HistogramFamily;

  constructor(registry: Registry) {
    this.#operations = new CounterFamily(
      registry,
      "apiserver_storage_transformation_operations_total",
      "Values encrypted and decrypted.",
    );
    this.#durations = new HistogramFamily(
      registry,
      "apiserver_storage_transformation_duration_seconds",
      "Time of that.",
      exponentialBounds(5e-6, 2, 25),
    );
  }

  /** Encrypting takes many times what it takes to find these rows by their labels. */
  ended(resource: string, direction: Direction, prefix: string, seconds: number): void {
    const labels = { transformation_type: direction, transformer_prefix: prefix };
    this.#durations.of(labels).observe(seconds);
    this.#operations.of({ ...labels, resource, status: "OK" }).add();
  }

  failed(resource: string, prefix: string): void {
    const labels = { transformation_type: "from_storage", transformer_prefix: prefix };
    this.#operations.of({ ...labels, resource, status: "Internal" }).add();
  }
}

/** The same encryption, counted and timed. Unencrypted values cost nothing more. */
export function measured(encryption: Encryption, registry: Registry, clock: Clock): Encryption {
  const metrics = new EncryptionMetrics(registry);
  const encryptionFor = (resource: { group: string; plural: string }) => {
    const valueEncryption = encryption(resource);
    if (valueEncryption === PLAIN) return valueEncryption;
    const { group, plural } = resource;
    const name = group === "" ? plural : `${plural}.${group}`;
    return timed(valueEncryption, metrics, name, clock);
  };
  return encryptionOf(
    encryptionFor,
    () => encryption.config,
    () => encryption.plugins,
  );
}

function timed(
  valueEncryption: ValueEncryption,
  metrics: EncryptionMetrics,
  resource: string,
  clock: Clock,
): ValueEncryption {
  return {
    ...(valueEncryption.prepare && {
      prepare: (stored: readonly Buffer[]) => valueEncryption.prepare?.(stored),
    }),
    encrypt(key, value) {
      const from_ms = clock.monotonic();
      const encrypted = valueEncryption.encrypt(key, value);
      const took_s = (clock.monotonic() - from_ms) / 1_000;
      metrics.ended(resource, "to_storage", prefixOf(encrypted), took_s);
      return encrypted;
    },
    decrypt(key, stored) {
      const from_ms = clock.monotonic();
      let opened: ReturnType<ValueEncryption["decrypt"]> | undefined;
      try {
        opened = valueEncryption.decrypt(key, stored);
      } finally {
        const took_s = (clock.monotonic() - from_ms) / 1_000;
        const prefix = prefixOf(stored);
        if (opened) metrics.ended(resource, "from_storage", prefix, took_s);
        else metrics.failed(resource, prefix);
      }
      return opened;
    },
  };
}

const PREFIX_BYTES_MAX = 32;

/** How a value was encrypted, without the key's name: `k8s:enc:secretbox:v1:`. */
function prefixOf(stored: Buffer): string {
  const start = stored.subarray(0, PREFIX_BYTES_MAX).toString("latin1");
  return /^k8s:enc:[a-z]+:v\d:/.exec(start)?.[0] ?? "identity";
}
