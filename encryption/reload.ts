import { logger } from "@raft2kube/observe/log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { ENCRYPTION_RELOAD_MS } from "./limits.ts";
import type { ValueEncryption } from "./value-encryption.ts";
import { type Encryption, encryptionOf, readEncryption } from "./config.ts";
import { Reloads } from "./reloads.ts";

const log = logger("apiserver");

/**
 * An encryption configuration that is read again when its file has changed
 * (`--encryption-provider-config-automatic-reload`). The new one applies to all later reads and
 * writes; an invalid one is reported in the log, and the last one stays.
 */
export class EncryptionFile {
  readonly #read: () => Promise<string>;
  readonly #clock: Clock;
  #text: string;
  #current: Encryption;
  /** How it went to read the file again. */
  readonly reloads: Reloads = new Reloads();
  readonly #looking: Runner;

  /** Throws ConfigFileError when what the file says at first makes no sense. */
  static async follow(read: () => Promise<string>, clock: Clock): Promise<EncryptionFile> {
    const text = await read();
    return new EncryptionFile(read, clock, text, await readEncryption(text));
  }

  constructor(
    read: () => Promise<string>,
    clock: Clock,
    text: string,
    current: Encryption,
  ) {
    this.#read = read;
    this.#clock = clock;
    this.#text = text;
    this.#current = current;
    this.#looking = new Runner({
      clock,
      max_ms: ENCRYPTION_RELOAD_MS,
      retry: { first_ms: ENCRYPTION_RELOAD_MS, most_ms: ENCRYPTION_RELOAD_MS },
      run: () => this.#look(),
      report: (thrown) => this.#report(thrown),
    });
    this.#looking.request(ENCRYPTION_RELOAD_MS);
  }

  /** How values lie in the store, as the file says now. */
  get encryption(): Encryption {
    return encryptionOf((resource) => this.#encryptionFor(resource), () => this.#current.config);
  }

  #encryptionFor(resource: { group: string; plural: string }): ValueEncryption {
    let from = this.#current;
    let valueEncryption = from(resource);
    const now = (): ValueEncryption => {
      if (from !== this.#current) {
        from = this.#current;
        valueEncryption = from(resource);
      }
      return valueEncryption;
    };
    return {
      encrypt: (key, value) => now().encrypt(key, value),
      decrypt: (key, stored) => now().decrypt(key, stored),
    };
  }

  async #look(): Promise<void> {
    const text = await this.#read();
    if (text === this.#text) return;
    // One that makes no sense is named once, and not at each look.
    this.#text = text;
    this.#current = await readEncryption(text);
    this.reloads.succeeded(this.#clock.now());
    log.info("the encryption configuration was read again");
  }

  #report(thrown: unknown): void {
    if (thrown === undefined) return;
    this.reloads.failed(this.#clock.now());
    log.error("the encryption configuration stays as it was", { reason: messageOf(thrown) });
  }

  async close(): Promise<void> {
    await this.#looking.close();
  }
}
