import { randomBytes, randomUUID } from "node:crypto";
import { logger } from "@raft2kube/observe/log.ts";
import {
  EncryptedDEKSourceType,
  EncryptedObject,
  KeyManagementService,
  type KeyManagementServiceMethods,
} from "@raft2kube/proto/gen/kms.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import { type Channel, client, connectGrpc, type RpcClient } from "@raft2kube/rpc/client.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { asBuffer } from "@raft2kube/std/bytes.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { RecentMap } from "@raft2kube/std/recent-map.ts";
import {
  KMS_ANSWER_BYTES_MAX,
  KMS_CALLS_MAX,
  KMS_RETRY_MS,
  KMS_SEEDS_MAX,
  KMS_STATUS_MS,
  KMS_WRITE_MS,
} from "../limits.ts";
import type { EncryptionMetrics, Named } from "../metrics.ts";
import { EncryptionError } from "../value-encryption.ts";
import {
  checkKeyId,
  checkSealedKey,
  nameOf,
  openWith,
  readSealed,
  SEED_BYTES,
  type SealedKey,
  sealWith,
} from "./sealed.ts";

const log = logger("apiserver");

export interface KmsOptions {
  readonly name: string;
  /** `unix:///path`. */
  readonly endpoint: string;
  readonly timeout_ms: number;
}

/** The seed by which values are encrypted, as the plugin encrypted it. */
type WriteKey = { readonly sealed: SealedKey; readonly seed: Buffer };

/** A plugin cannot be asked: what it encrypted may be readable later. */
export class KmsUnavailable extends EncryptionError {}

/**
 * One plugin of KMS v2. A seed encrypts all values until the plugin's status names another key; the
 * plugin sees seeds alone, never values. Without a good status values are encrypted for
 * KMS_WRITE_MS more, and those whose seed is known are decrypted without end (upstream's).
 */
export class KmsPlugin {
  readonly name: string;
  named: Named;
  readonly #metrics: EncryptionMetrics;
  readonly #bounded: { readonly timeout_ms: number };
  readonly #clock: Clock;
  readonly #channel: Channel;
  readonly #service: RpcClient<KeyManagementServiceMethods>;
  readonly #asking: Runner;
  readonly #primed = Promise.withResolvers<void>();
  /** Seeds by the names of their keys. */
  readonly #seeds = new RecentMap<string, Buffer>(KMS_SEEDS_MAX);
  /** Decryptions of seeds under way. */
  readonly #opening = new Map<string, Promise<void>>();
  #write: WriteKey | undefined;
  #writesUntil_ms = -Infinity;
  /** Why the last status was not good. */
  #unhealthy: string | undefined = "its status is not known yet";

  constructor(options: KmsOptions, clock: Clock, metrics: EncryptionMetrics) {
    const { name, endpoint, timeout_ms } = options;
    this.name = name;
    this.#bounded = { timeout_ms };
    this.#clock = clock;
    this.#metrics = metrics;
    this.#channel = connectGrpc(endpoint, { messageBytes_max: KMS_ANSWER_BYTES_MAX });
    this.#service = client(this.#channel, KeyManagementService);
    const report = failureLog(log, `the KMS plugin ${name} is not healthy`);
    this.#asking = new Runner({
      clock,
      max_ms: KMS_STATUS_MS,
      retry: { first_ms: KMS_RETRY_MS, most_ms: KMS_RETRY_MS },
      run: () => this.#ask(),
      report: (thrown) => {
        this.#unhealthy = thrown === undefined ? undefined : messageOf(thrown);
        this.#primed.resolve();
        report(thrown);
      },
    });
  }

  /** How many seeds are known decrypted. */
  get seedCount(): number {
    return this.#seeds.size;
  }

  /** Resolves after the first status, good or not: the plugin may start after the server. */
  async start(): Promise<void> {
    this.#asking.request(0);
    await this.#primed.promise;
  }

  /** Throws EncryptionError while the last status was not good. */
  check(): void {
    if (this.#unhealthy === undefined) return;
    const why = `kmsv2 Provider ${this.name} is not healthy, error: ${this.#unhealthy}`;
    throw new EncryptionError(why);
  }

  encrypt(key: string, value: Buffer): Buffer {
    const write = this.#write;
    if (write === undefined || this.#clock.monotonic() > this.#writesUntil_ms) {
      throw new KmsUnavailable(
        `${key} cannot be encrypted: the KMS plugin ${this.name} is not ` +
          `healthy (${this.#unhealthy ?? "it has not answered for too long"}); start it again`,
      );
    }
    const { sealed, seed } = write;
    this.#metrics.used(this.name, sealed.keyID, "to_storage");
    const encryptedData = sealWith(seed, value, key);
    return asBuffer(EncryptedObject.encode({ ...sealed, encryptedData }));
  }

  decrypt(key: string, encrypted: Buffer): { value: Buffer; stale: boolean } {
    const object = readSealed(encrypted);
    const seed = this.#seeds.get(nameOf(object));
    const why = `${key} has a key that the KMS plugin ${this.name} does not decrypt`;
    if (seed === undefined) throw new EncryptionError(why);
    this.#metrics.used(this.name, object.keyID, "from_storage");
    const type = object.encryptedDEKSourceType;
    const value = openWith(seed, type, asBuffer(object.encryptedData), key);
    const now = this.#write?.sealed;
    return { value, stale: now?.keyID !== object.keyID || now.encryptedDEKSourceType !== type };
  }

  /**
   * Decrypts the seeds of these values that are not known; undefined if all are.
   * Rejects with KmsUnavailable when it cannot be asked; a seed that it refuses stays unknown.
   */
  prepare(encrypted: readonly Buffer[]): Promise<void> | undefined {
    const unknown = new Map<string, SealedKey>();
    for (const each of encrypted) {
      const sealed = this.#unknownIn(each);
      if (sealed !== undefined) unknown.set(nameOf(sealed), sealed);
    }
    return unknown.size === 0 ? undefined : this.#openAll([...unknown]);
  }

  async close(): Promise<void> {
    await this.#asking.close();
    this.#channel.close();
  }

  #unknownIn(encrypted: Buffer): SealedKey | undefined {
    try {
      const { encryptedData: _value, ...sealed } = readSealed(encrypted);
      return this.#seeds.has(nameOf(sealed)) ? undefined : sealed;
    } catch (thrown) {
      // `decrypt` reports it for the one value.
      if (thrown instanceof EncryptionError) return undefined;
      throw thrown;
    }
  }

  async #openAll(unknown: readonly (readonly [string, SealedKey])[]): Promise<void> {
    for (let i = 0; i < unknown.length; i += KMS_CALLS_MAX) {
      const some = unknown.slice(i, i + KMS_CALLS_MAX);
      await Promise.all(some.map(([name, sealed]) => this.#open(name, sealed)));
    }
  }

  async #open(name: string, sealed: SealedKey): Promise<void> {
    const under = this.#opening.get(name);
    if (under !== undefined) return await under;
    const opening = this.#openOnce(name, sealed).finally(() => this.#opening.delete(name));
    this.#metrics.misses.add();
    this.#opening.set(name, opening);
    await opening;
  }

  async #openOnce(name: string, { encryptedDEKSource, keyID, annotations }: SealedKey) {
    const asked = { ciphertext: encryptedDEKSource, keyId: keyID, annotations, uid: randomUUID() };
    try {
      const call = this.#service.decrypt(asked, this.#bounded);
      const { plaintext } = await this.#metrics.called(this.name, "Decrypt", call);
      this.#seeds.set(name, asBuffer(plaintext));
    } catch (thrown) {
      if (!(thrown instanceof RpcError)) throw thrown;
      const why = `the KMS plugin ${this.name}: failed to decrypt DEK, error: ${thrown.message}`;
      if (AWAY.has(thrown.status)) throw new KmsUnavailable(why, { cause: thrown });
      log.error("a KMS plugin refused to decrypt a key", { plugin: this.name, reason: why });
    }
  }

  /** Asks for the status, and makes a new seed when it names another key. */
  async #ask(): Promise<void> {
    const until_ms = this.#clock.monotonic() + KMS_WRITE_MS;
    const call = this.#service.status({}, this.#bounded);
    const { version, healthz, keyId } = await this.#metrics.called(this.name, "Status", call);
    if (healthz !== "ok") {
      throw new EncryptionError(`got unexpected healthz status: ${healthz.slice(0, 1_000)}`);
    }
    if (version !== "v2" && version !== "v2beta1") {
      throw new EncryptionError(`expected KMSv2 API version v2, got ${version.slice(0, 100)}`);
    }
    checkKeyId(keyId, () => this.#metrics.misnamed(this.name, keyId));
    if (this.#write?.sealed.keyID !== keyId) await this.#rotate(keyId);
    this.#writesUntil_ms = until_ms;
    this.named = { keyId, at_s: this.#clock.now() / 1_000 };
  }

  async #rotate(keyId: string): Promise<void> {
    const seed = randomBytes(SEED_BYTES);
    const call = this.#service.encrypt({ plaintext: seed, uid: randomUUID() }, this.#bounded);
    const answer = await this.#metrics.called(this.name, "Encrypt", call);
    const sealed: SealedKey = {
      keyID: answer.keyId,
      encryptedDEKSource: asBuffer(answer.ciphertext),
      annotations: answer.annotations,
      encryptedDEKSourceType: EncryptedDEKSourceType.HKDF_SHA256_XNONCE_AES_GCM_SEED,
    };
    checkSealedKey(sealed);
    if (sealed.keyID !== keyId) {
      throw new EncryptionError("its status and its encryption name different keys");
    }
    this.#seeds.set(nameOf(sealed), seed);
    this.#write = { sealed, seed };
    log.info("a KMS plugin's key encrypts from now on", { plugin: this.name });
  }
}

/** Statuses of calls after which the same call may succeed. */
const AWAY = new Set<number>([Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED, Status.CANCELLED]);
