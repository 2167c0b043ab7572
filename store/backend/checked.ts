import { crc32c } from "@raft2kube/std/bytes.ts";
import type { Backend, BackendPair, BackendSnapshot, BackendWrite, ScanRange } from "./backend.ts";
import { BackendDamagedError, damageOf } from "./damage.ts";
import { formatOf } from "./format-mark.ts";
import { type Checksums, INVENTORY_KEY, Inventory } from "./inventory.ts";
import { levelBackend } from "./level.ts";

export const CRC_BYTES = 4;

/** Called once, when the database returned other bytes than were written. */
export type OnDamage = (reason: BackendDamagedError) => void;

/**
 * The database in `folder`. Each value is followed by a checksum over key and value, which LevelDB
 * itself does not verify on reads; since format 3 there is also an inventory of all keys that must
 * exist. Format 1 has neither, format 2 no inventory.
 */
export async function openBackend(
  folder: string,
  onDamage: OnDamage = () => undefined,
): Promise<Backend> {
  const format = formatOf(folder);
  const raw = await levelBackend(folder);
  if (format === 1) return raw;
  const backend = new CheckedBackend(raw, folder, onDamage);
  try {
    if (format >= INVENTORY_FORMAT) backend.keepInventory();
    return backend;
  } catch (thrown) {
    await raw.close();
    throw thrown;
  }
}

const INVENTORY_FORMAT = 3;
/** Batches that a scan waits for at most until it finds a moment between two. */
const SETTLE_TURNS_MAX = 100;

const checksums: Checksums = {
  ofKey: (key) => crc32c(key),
  ofStored: (stored) => stored.readUInt32LE(stored.length - CRC_BYTES),
};

/** Appends a checksum to each value that is written, and checks it on its way up. */
export class CheckedBackend implements Backend {
  readonly #raw: Backend;
  readonly #folder: string;
  readonly #onDamage: OnDamage;
  #inventory: Inventory | undefined;
  /** Batches go down one after the other: each carries the inventory with it. */
  #last: Promise<void> = Promise.resolve();
  #pending = 0;

  constructor(raw: Backend, folder: string, onDamage: OnDamage) {
    this.#raw = raw;
    this.#folder = folder;
    this.#onDamage = onDamage;
  }

  /** Holds the database to its inventory, from before its first batch on. */
  keepInventory(): void {
    const stored = this.getSync(INVENTORY_KEY);
    this.#inventory = new Inventory(checksums, stored);
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

  /** A scan of a whole bucket also finds what is missing there. */
  scan(range: ScanRange): AsyncIterable<BackendPair[]> {
    return this.#check(() => this.#raw.scan(range), range);
  }

  writeBatch(...[writes, options]: Parameters<Backend["writeBatch"]>): Promise<void> {
    this.#pending++;
    // After a batch that failed there is no other: its pairs are in the inventory and not there.
    const written = this.#last.then(() => this.#raw.writeBatch(this.#sealed(writes), options));
    this.#last = written;
    const done = () => void this.#pending--;
    written.then(done, done);
    return written;
  }

  *#sealed(writes: Iterable<BackendWrite>): Generator<BackendWrite> {
    const inventory = this.#inventory;
    const take = inventory?.batch(this.#raw);
    for (const { key, value } of writes) {
      const sealed = { key, value: value && seal(key, value) };
      try {
        take?.(sealed);
      } catch (thrown) {
        // It reads what the batch takes the place of.
        this.#refuse(thrown);
      }
      yield sealed;
    }
    if (inventory) yield { key: INVENTORY_KEY, value: seal(INVENTORY_KEY, inventory.encode()) };
  }

  snapshot(): BackendSnapshot {
    const raw = this.#raw.snapshot();
    return { scan: (range) => this.#check(() => raw.scan(range)), close: () => raw.close() };
  }

  compactRange(range: ScanRange): Promise<void> {
    return this.#raw.compactRange(range);
  }

  size(): Promise<{ total: number; inUse: number }> {
    return this.#raw.size();
  }

  async close(): Promise<void> {
    await this.#last.catch(() => undefined);
    await this.#raw.close();
  }

  async *#check(
    scan: () => AsyncIterable<BackendPair[]>,
    range?: ScanRange,
  ): AsyncGenerator<BackendPair[]> {
    const whole = range !== undefined && this.#inventory?.counting(range) !== undefined;
    for (let turn = 0; whole && this.#pending > 0 && turn < SETTLE_TURNS_MAX; turn++) {
      await this.#last.catch(() => undefined);
    }
    // The scan sees the moment of its beginning, or of its first step: the inventory must be of
    // the same.
    const iterator = scan()[Symbol.asyncIterator]();
    const count = range && this.#pending === 0 ? this.#inventory?.counting(range) : undefined;
    try {
      for (;;) {
        const next = await iterator.next().catch((thrown: unknown) => this.#refuse(thrown));
        if (next.done) break;
        const pairs: BackendPair[] = [];
        for (const [key, stored] of next.value) {
          count?.add(key, stored);
          if (!key.equals(INVENTORY_KEY)) pairs.push([key, this.#open(key, stored)]);
        }
        yield pairs;
      }
      const wrong = count?.wrong;
      if (wrong !== undefined) this.#damaged(new BackendDamagedError(this.#folder, wrong));
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

/** A value with its checksum appended. */
export function seal(key: Buffer, value: Buffer): Buffer {
  const sealed = Buffer.allocUnsafe(value.length + CRC_BYTES);
  value.copy(sealed);
  sealed.writeUInt32LE(crc32c(value, crc32c(key)), value.length);
  return sealed;
}
