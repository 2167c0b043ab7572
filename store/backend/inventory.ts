import type { Backend, BackendWrite, ScanRange } from "./backend.ts";

/** The key of the inventory in the database. Not visible through the backend. */
export const INVENTORY_KEY = Buffer.from("r2k/inventory", "latin1");
/**
 * Records of revisions are written once and removed once: their keys are unique, and none has to be
 * looked up before it is written.
 */
const WRITTEN_ONCE = "key";
const SEPARATOR = "/";
const AFTER_SEPARATOR = "0";

/** How many pairs a bucket has, and the sum of their checksums, modulo 2^32. */
type Bucket = { count: number; sum: number };

/** A checksum per pair, as they are stored: of the key alone where that is written once. */
export interface Checksums {
  ofKey(key: Buffer): number;
  ofStored(stored: Buffer): number;
}

/**
 * Counts and checksums of a database's records, by bucket (the part of a key before its first `/`).
 * It is written with every batch, so it matches any prefix of the batches that a crash leaves.
 * LevelDB passes over blocks of its own log that are damaged, and with them over whole batches:
 * then the inventory has more records than there are, or others (S8).
 */
export class Inventory {
  readonly #checksums: Checksums;
  readonly #buckets = new Map<string, Bucket>();

  /** `encoded` is what a database has of it; it starts with nothing. */
  constructor(checksums: Checksums, encoded: Buffer | undefined) {
    this.#checksums = checksums;
    if (!encoded) return;
    const buckets = JSON.parse(encoded.toString("latin1")) as Record<string, Bucket>;
    for (const [name, bucket] of Object.entries(buckets)) this.#buckets.set(name, bucket);
  }

  /** Returns what takes the writes of a batch in, sealed. `raw` has all batches before it. */
  batch(raw: Backend): (sealed: BackendWrite) => void {
    const latest = new Map<string, Buffer | undefined>();
    return ({ key, value }) => {
      const name = bucketOf(key);
      if (name === WRITTEN_ONCE) return this.#add(name, this.#checksums.ofKey(key), value ? 1 : -1);
      const full = key.toString("latin1");
      const before = latest.has(full) ? latest.get(full) : raw.getSync(key);
      if (before) this.#add(name, this.#checksums.ofStored(before), -1);
      if (value) this.#add(name, this.#checksums.ofStored(value), 1);
      latest.set(full, value);
    };
  }

  #add(name: string, checksum: number, times: 1 | -1): void {
    const { count, sum } = this.#buckets.get(name) ?? { count: 0, sum: 0 };
    const next = { count: count + times, sum: (sum + times * checksum) >>> 0 };
    this.#buckets.set(name, next);
  }

  /** Counts what a scan of a whole bucket finds; undefined for any other range. */
  counting(range: ScanRange): BucketCount | undefined {
    const name = wholeBucket(range);
    if (name === undefined) return undefined;
    const due = this.#buckets.get(name) ?? { count: 0, sum: 0 };
    return new BucketCount(name, { ...due }, this.#checksums);
  }

  encode(): Buffer {
    return Buffer.from(JSON.stringify(Object.fromEntries(this.#buckets)), "latin1");
  }
}

/** A bucket as a scan finds it, and as the inventory describes it. */
class BucketCount {
  readonly #name: string;
  readonly #due: Bucket;
  readonly #checksums: Checksums;
  readonly #found: Bucket = { count: 0, sum: 0 };

  constructor(name: string, due: Bucket, checksums: Checksums) {
    this.#name = name;
    this.#due = due;
    this.#checksums = checksums;
  }

  add(key: Buffer, stored: Buffer): void {
    const { ofKey, ofStored } = this.#checksums;
    const checksum = this.#name === WRITTEN_ONCE ? ofKey(key) : ofStored(stored);
    this.#found.count++;
    this.#found.sum = (this.#found.sum + checksum) >>> 0;
  }

  /** Returns the error of the whole inventory; undefined if it matches. */
  get wrong(): string | undefined {
    const { count, sum } = this.#found;
    if (count === this.#due.count && sum === this.#due.sum) return undefined;
    const due = count === this.#due.count ? "others" : `${this.#due.count}`;
    return `bucket ${this.#name} is damaged: it has ${count} pairs, ${due} were written`;
  }
}

function bucketOf(key: Buffer): string {
  const end = key.indexOf(SEPARATOR);
  return key.toString("latin1", 0, end < 0 ? key.length : end);
}

function wholeBucket({ from, to }: ScanRange): string | undefined {
  const name = from.toString("latin1", 0, from.length - 1);
  const whole = from.toString("latin1") === name + SEPARATOR;
  return whole && to.toString("latin1") === name + AFTER_SEPARATOR ? name : undefined;
}
