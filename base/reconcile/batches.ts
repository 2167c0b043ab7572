import type { Clock } from "@raft2kube/std/clock.ts";
import { TokenBucket, type TokenRate } from "@raft2kube/std/token-bucket.ts";
import type { Pauses } from "./backoff.ts";
import { Runner } from "./runner.ts";

export interface BatchesOptions<T> {
  readonly clock: Clock;
  /** Items that wait at most, those of a batch under way included. */
  readonly waiting_max: number;
  /** Items written together. */
  readonly batch_max: number;
  /** Bounds in bytes besides; default none. */
  readonly bytes?: {
    of(item: T): number;
    readonly waiting_max: number;
    readonly batch_max: number;
  };
  /** Longest time from an item to the write of its batch. */
  readonly wait_ms: number;
  /** Batches for each second, and the most after a pause; undefined for any number. */
  readonly throttle?: TokenRate | undefined;
  readonly retry: Pauses;
  /** Writes a batch. When it throws, the same items come again; after `close` it must not throw. */
  write(batch: readonly T[]): Promise<void>;
}

/**
 * Collects items and writes batches of them, one after the other, for callers that do not wait. A
 * batch that cannot be written is tried again.
 */
export class Batches<T> {
  readonly #options: BatchesOptions<T>;
  readonly #bucket: TokenBucket | undefined;
  readonly #writing: Runner;
  /** Items that are not written, those of a batch under way first. */
  readonly #waiting: T[] = [];
  #bytes = 0;
  /** Whether the last write failed, or is under way. */
  #unsettled = false;
  #closed = false;

  constructor(options: BatchesOptions<T>) {
    const { clock, throttle, retry } = options;
    this.#options = options;
    this.#bucket = throttle && new TokenBucket(clock, throttle);
    const run = () => this.#writeNext();
    this.#writing = new Runner({ clock, retry, run, report: () => undefined });
  }

  /** Takes an item. False if too many wait, or after `close`: it is not written. */
  add(item: T): boolean {
    const { waiting_max, batch_max, wait_ms, bytes } = this.#options;
    const size = bytes?.of(item) ?? 0;
    const isFull = this.#waiting.length >= waiting_max;
    if (isFull || this.#closed || (bytes && this.#bytes + size > bytes.waiting_max)) return false;
    this.#waiting.push(item);
    this.#bytes += size;
    // After a failure its pause decides, and a write is followed by the next while items wait.
    if (!this.#unsettled) this.#writing.request(this.#waiting.length >= batch_max ? 0 : wait_ms);
    return true;
  }

  /**
   * Writes one batch; returns the pause before the next, where items are left. Each batch is a pass
   * of its own: what was paused for one does not lengthen the pauses of the next.
   */
  async #writeNext(): Promise<number | void> {
    if (this.#waiting.length === 0) return;
    if (this.#bucket && !this.#closed && !this.#bucket.take()) return this.#bucket.wait_ms;
    const [count, bytes] = this.#nextBatch();
    this.#unsettled = true;
    await this.#options.write(this.#waiting.slice(0, count));
    this.#unsettled = false;
    this.#waiting.splice(0, count);
    this.#bytes -= bytes;
    if (this.#waiting.length > 0) return 0;
  }

  /** Returns how many items are written next, and their bytes. */
  #nextBatch(): [count: number, bytes: number] {
    const { batch_max, bytes } = this.#options;
    let [count, sum] = [0, 0];
    for (const item of this.#waiting) {
      const size = bytes?.of(item) ?? 0;
      const isTooLarge = count > 0 && bytes && sum + size > bytes.batch_max;
      if (count >= batch_max || isTooLarge) break;
      count++;
      sum += size;
    }
    return [count, sum];
  }

  /** Takes no more items, and writes what is left without a pause. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing.close();
    while (this.#waiting.length > 0) await this.#writeNext();
  }
}
