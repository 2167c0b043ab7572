import { exponentialBounds, MetricArea } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Encryption } from "./config.ts";
import { PLAIN, type ValueEncryption } from "./value-encryption.ts";

type Direction = "to_storage" | "from_storage";

/** Encryption and decryption of values (upstream: storage/value/metrics.go). */
class EncryptionMetrics extends MetricArea {
  readonly #operations = this.counter(
    "apiserver_storage_transformation_operations_total",
    "Values encrypted and decrypted.",
  );
  readonly #durations = this.histogram(
    "apiserver_storage_transformation_duration_seconds",
    "Time of that.",
    exponentialBounds(5e-6, 2, 25),
  );

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
  return {
    of(resource) {
      const valueEncryption = encryption.of(resource);
      if (valueEncryption === PLAIN) return valueEncryption;
      const { group, plural } = resource;
      const name = group === "" ? plural : `${plural}.${group}`;
      return timed(valueEncryption, metrics, name, clock);
    },
    get config() {
      return encryption.config;
    },
    get plugins() {
      return encryption.plugins;
    },
    close: () => encryption.close(),
  };
}

function timed(
  inner: ValueEncryption,
  metrics: EncryptionMetrics,
  resource: string,
  clock: Clock,
): ValueEncryption {
  const took_s = (from_ms: number) => (clock.monotonic() - from_ms) / 1_000;
  return {
    ...(inner.prepare && { prepare: (stored: readonly Buffer[]) => inner.prepare?.(stored) }),
    encrypt(key, value) {
      const from_ms = clock.monotonic();
      const encrypted = inner.encrypt(key, value);
      metrics.ended(resource, "to_storage", prefixOf(encrypted), took_s(from_ms));
      return encrypted;
    },
    decrypt(key, stored) {
      const from_ms = clock.monotonic();
      try {
        const opened = inner.decrypt(key, stored);
        metrics.ended(resource, "from_storage", prefixOf(stored), took_s(from_ms));
        return opened;
      } catch (thrown) {
        metrics.failed(resource, prefixOf(stored));
        throw thrown;
      }
    },
  };
}

const PREFIX_BYTES_MAX = 32;

/** How a value was encrypted, without the key's name: `k8s:enc:secretbox:v1:`. */
function prefixOf(stored: Buffer): string {
  const start = stored.subarray(0, PREFIX_BYTES_MAX).toString("latin1");
  return /^k8s:enc:[a-z]+:v\d:/.exec(start)?.[0] ?? "identity";
}
