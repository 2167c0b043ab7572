import { logger } from "@raft2kube/observe/log.ts";
import { FollowedFile } from "@raft2kube/reconcile/followed-file.ts";
import type { Reloads } from "@raft2kube/reconcile/reloads.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { type Encryption, readEncryption, type StoredResource } from "./config.ts";
import { KMS_CLOSE_MS } from "./limits.ts";
import { EncryptionMetrics } from "./metrics.ts";
import type { ValueEncryption } from "./value-encryption.ts";

const log = logger("apiserver");

/**
 * An encryption configuration that is read again when its file has changed
 * (`--encryption-provider-config-automatic-reload`). The new one applies to all later reads and
 * writes; an invalid one is reported in the log, and the last one stays.
 */
export class EncryptionFile implements Encryption {
  readonly #file: FollowedFile<Encryption>;

  /** Throws ConfigFileError when what the file says at first makes no sense. */
  static async follow(read: () => Promise<string>, clock: Clock): Promise<EncryptionFile> {
    const what = "the encryption configuration";
    const metrics = new EncryptionMetrics(clock);
    const parse = (text: string) => readEncryption(text, clock, metrics);
    return new EncryptionFile(await FollowedFile.follow({ clock, log, what, read, parse }), clock);
  }

  private constructor(file: FollowedFile<Encryption>, clock: Clock) {
    this.#file = file;
    // Requests under way still decrypt by the plugins of before.
    file.onChange(() => {
      const before = file.current;
      clock.after(KMS_CLOSE_MS, () => void before.close());
    });
  }

  get reloads(): Reloads {
    return this.#file.reloads;
  }

  get config(): string | undefined {
    return this.#file.current.config;
  }

  get metrics(): EncryptionMetrics {
    return this.#file.current.metrics;
  }

  get plugins(): Encryption["plugins"] {
    return this.#file.current.plugins;
  }

  of(resource: StoredResource): ValueEncryption {
    let from = this.#file.current;
    let valueEncryption = from.of(resource);
    const now = (): ValueEncryption => {
      if (from !== this.#file.current) {
        from = this.#file.current;
        valueEncryption = from.of(resource);
      }
      return valueEncryption;
    };
    return {
      encrypt: (key, value) => now().encrypt(key, value),
      decrypt: (key, stored) => now().decrypt(key, stored),
      prepare: (stored) => now().prepare?.(stored),
    };
  }

  async close(): Promise<void> {
    await this.#file.close();
    await this.#file.current.close();
  }
}
