import { logger } from "@raft2kube/observe/log.ts";
import { FollowedFile } from "@raft2kube/reconcile/followed-file.ts";
import type { Reloads } from "@raft2kube/reconcile/reloads.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { closePlugins, type Encryption, encryptionOf, readEncryption } from "./config.ts";
import { KMS_CLOSE_MS } from "./limits.ts";
import type { ValueEncryption } from "./value-encryption.ts";

const log = logger("apiserver");

/**
 * An encryption configuration that is read again when its file has changed
 * (`--encryption-provider-config-automatic-reload`). The new one applies to all later reads and
 * writes; an invalid one is reported in the log, and the last one stays.
 */
export class EncryptionFile {
  readonly #file: FollowedFile<Encryption>;

  /** Throws ConfigFileError when what the file says at first makes no sense. */
  static async follow(read: () => Promise<string>, clock: Clock): Promise<EncryptionFile> {
    return new EncryptionFile(
      await FollowedFile.follow({
        clock,
        log,
        what: "the encryption configuration",
        read,
        parse: (text) => readEncryption(text, clock),
      }),
      clock,
    );
  }

  private constructor(file: FollowedFile<Encryption>, clock: Clock) {
    this.#file = file;
    // Requests under way still decrypt by the plugins of before.
    file.onChange(() => {
      const before = file.current;
      clock.after(KMS_CLOSE_MS, () => void closePlugins(before));
    });
  }

  /** How it went to read the file again. */
  get reloads(): Reloads {
    return this.#file.reloads;
  }

  /** How values lie in the store, as the file says now. */
  get encryption(): Encryption {
    const config = () => this.#file.current.config;
    const plugins = () => this.#file.current.plugins;
    return encryptionOf((resource) => this.#encryptionFor(resource), config, plugins);
  }

  #encryptionFor(resource: { group: string; plural: string }): ValueEncryption {
    let from = this.#file.current;
    let valueEncryption = from(resource);
    const now = (): ValueEncryption => {
      if (from !== this.#file.current) {
        from = this.#file.current;
        valueEncryption = from(resource);
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
    await closePlugins(this.#file.current);
  }
}
