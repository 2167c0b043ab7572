import type { Clock } from "@raft2kube/std/clock.ts";
import { TokenBucket, type TokenRate } from "@raft2kube/std/token-bucket.ts";
import type { Pauses } from "./backoff.ts";
import { Runner } from "./runner.ts";

export interface BatchesOptions<T> {
  readonly clock: Clock;
  /** Bytes of an item, for the bounds; 0 where only the items are bounded. */
  bytesOf(item: T): number;
  /** Items, and bytes, that wait at most, a batch under way included. */
  readonly buffer_max: number;
  readonly buffer_bytes_max: number;
  /** Items, and bytes, written together; a single item may have more. */
  readonly batch_max: number;
  readonly batch_bytes_max: number;
  /** Longest time from an item to the write of its batch. */
  readonly wait_ms: number;
  /** Batches for each second, and the most after a pause; undefined for any number. */
  readonly throttle?: TokenRate | undefined;
  readonly retry: Pauses;
  /** Writes a batch. When it throws, the same items come again; after `close` it must not throw. */
  write(batch: readonly T[]): Promise<void>;
}

/** Collects items, and writes batches of them one after the other; who adds them does not wait. */
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
    const { buffer_max, buffer_bytes_max, batch_max, wait_ms, bytesOf } = this.#options;
    const bytes = this.#bytes + bytesOf(item);
    const isFull = this.#waiting.length >= buffer_max || bytes > buffer_bytes_max;
    if (isFull || this.#closed) return false;
    const count = this.#waiting.push(item);
    this.#bytes = bytes;
    // After a failure its pause decides, and a write is followed by the next while items wait.
    if (!this.#unsettled) this.#writing.request(count >= batch_max ? 0 : wait_ms);
    return true;
  }

  /**
   * Writes one batch; returns the pause before the next, where items are left. Each batch is a pass
   * of its own: what was paused for one does not lengthen the pauses of the next.
   */
  async #writeNext(): Promise<number | void> {
    if (this.#waiting.length === 0) return;
    if (this.#bucket && !this.#closed && !this.#bucket.take()) return this.#bucket.wait_ms;
    const { batch_max, batch_bytes_max, bytesOf, write } = this.#options;
    let [count, bytes] = [1, bytesOf(this.#waiting[0]!)];
    for (const item of this.#waiting.slice(1, batch_max)) {
      if (bytes + bytesOf(item) > batch_bytes_max) break;
      bytes += bytesOf(item);
      count++;
    }
    this.#unsettled = true;
    await write(this.#waiting.slice(0, count));
    this.#unsettled = false;
    this.#waiting.splice(0, count);
    this.#bytes -= bytes;
    if (this.#waiting.length > 0) return 0;
  }

  /** Takes no more items, and writes what is left without a pause. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing.close();
    while (this.#waiting.length > 0) await this.#writeNext();
  }
}
