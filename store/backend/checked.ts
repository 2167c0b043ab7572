import { crc32c } from "@raft2kube/std/bytes.ts";
import type { Backend, BackendPair, BackendSnapshot, ScanRange } from "./backend.ts";
import { BackendDamagedError, damageOf } from "./damage.ts";
import { formatOf } from "./format-mark.ts";
import { levelBackend } from "./level.ts";

export const CRC_BYTES = 4;

/** Hears, once, that the database gave back other bytes than were written. */
export type OnDamage = (reason: BackendDamagedError) => void;

/**
 * The database in `folder`, each value with a checksum over key and value behind it, which
 * LevelDB itself does not check when it reads. One of format 1 is left without.
 */
export async function openBackend(
  folder: string,
  onDamage: OnDamage = () => undefined,
): Promise<Backend> {
  const format = formatOf(folder);
  const raw = await levelBackend(folder);
  return format === 1 ? raw : new CheckedBackend(raw, folder, onDamage);
}

/** Puts a checksum behind each value on its way down, and checks it on its way up. */
export class CheckedBackend implements Backend {
  readonly #raw: Backend;
  readonly #folder: string;
  readonly #onDamage: OnDamage;

  constructor(raw: Backend, folder: string, onDamage: OnDamage) {
    this.#raw = raw;
    this.#folder = folder;
    this.#onDamage = onDamage;
  }

  getSync(key: Buffer): Buffer | undefined {
    let stored: Buffer | undefined;
    try {
      stored = this.#raw.getSync(key);
    } catch (thrown) {
      this.#refuse(thrown);
    }
    return stored && this.#open(key, stored);
  }

  scan(range: ScanRange): AsyncIterable<BackendPair[]> {
    return this.#check(this.#raw.scan(range));
  }

  async writeBatch(...[writes, options]: Parameters<Backend["writeBatch"]>): Promise<void> {
    const sealed = writes.map(({ key, value }) => ({ key, value: value && seal(key, value) }));
    await this.#raw.writeBatch(sealed, options);
  }

  snapshot(): BackendSnapshot {
    const raw = this.#raw.snapshot();
    return { scan: (range) => this.#check(raw.scan(range)), close: () => raw.close() };
  }

  compactRange(range: ScanRange): Promise<void> {
    return this.#raw.compactRange(range);
  }

  size(): Promise<{ total: number; inUse: number }> {
    return this.#raw.size();
  }

  close(): Promise<void> {
    return this.#raw.close();
  }

  async *#check(chunks: AsyncIterable<BackendPair[]>): AsyncGenerator<BackendPair[]> {
    const iterator = chunks[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await iterator.next().catch((thrown: unknown) => this.#refuse(thrown));
        if (next.done) return;
        yield next.value.map(([key, stored]): BackendPair => [key, this.#open(key, stored)]);
      }
    } finally {
      await iterator.return?.();
    }
  }

  #open(key: Buffer, stored: Buffer): Buffer {
    const end = stored.length - CRC_BYTES;
    if (end >= 0) {
      const value = stored.subarray(0, end);
      if (stored.readUInt32LE(end) === crc32c(value, crc32c(key))) return value;
    }
    const what = `the value of key ${key.toString("hex")} is not what was written`;
    return this.#damaged(new BackendDamagedError(this.#folder, what));
  }

  #refuse(thrown: unknown): never {
    const damage = damageOf(this.#folder, thrown);
    if (damage) this.#damaged(damage);
    throw thrown;
  }

  #damaged(reason: BackendDamagedError): never {
    this.#onDamage(reason);
    throw reason;
  }
}

/** A value with its checksum behind it. */
export function seal(key: Buffer, value: Buffer): Buffer {
  const sealed = Buffer.allocUnsafe(value.length + CRC_BYTES);
  value.copy(sealed);
  sealed.writeUInt32LE(crc32c(value, crc32c(key)), value.length);
  return sealed;
}
