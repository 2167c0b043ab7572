import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { TokenBucket, type TokenRate } from "@raft2kube/std/token-bucket.ts";
import { AUDIT_ATTEMPTS_MAX, AUDIT_BUFFER_BYTES_MAX } from "../limits.ts";
import type { Backend, Losses, Sink } from "./sink.ts";

export interface BatchOptions {
  /** Events that wait at most; further ones are lost, and counted. */
  readonly buffer_max: number;
  /** Events written together. */
  readonly batch_max: number;
  /** Bytes written together. */
  readonly batch_bytes_max: number;
  readonly wait_ms: number;
  /** Batches for each second, and the most after a pause; undefined for any number. */
  readonly throttle?: TokenRate;
  /** Pause after the first failure; each further one doubles it. */
  readonly retry_ms: number;
}

/**
 * Collects events and writes batches of them, one after the other; no request waits. A batch that
 * cannot be written is tried again a few times. Waiting events are bounded in number and bytes.
 */
export class Collected implements Backend {
  readonly #sink: Sink;
  readonly #losses: Losses;
  readonly #options: BatchOptions;
  readonly #bucket: TokenBucket | undefined;
  readonly #writing: Runner;
  /** Events that are not written, those of a batch under way first. */
  #waiting: string[] = [];
  #bytes = 0;
  /** Failures of the first batch that waits. */
  #failures = 0;
  #closed = false;

  constructor(sink: Sink, losses: Losses, options: BatchOptions, clock: Clock) {
    this.#sink = sink;
    this.#losses = losses;
    this.#options = options;
    this.#bucket = options.throttle && new TokenBucket(clock, options.throttle);
    this.#writing = new Runner({
      clock,
      retry: { first_ms: options.retry_ms, most_ms: Infinity },
      run: () => this.#writeNext(),
      report: () => undefined,
    });
  }

  take(event: string): void {
    const { buffer_max, batch_max, wait_ms } = this.#options;
    const bytes = Buffer.byteLength(event);
    if (this.#waiting.length >= buffer_max || this.#bytes + bytes > AUDIT_BUFFER_BYTES_MAX) {
      const full = new CodedError("AUDIT_BUFFER", "the buffer of audit events is full");
      return this.#losses.lost(1, full);
    }
    this.#waiting.push(event);
    this.#bytes += bytes;
    // After a failure its pause decides.
    if (this.#failures > 0) return;
    this.#writing.request(this.#waiting.length >= batch_max ? 0 : wait_ms);
  }

  /**
   * Writes one batch; returns the pause before the next, where events are left. Each batch is a
   * pass of its own: what was paused for one that is lost does not lengthen the pauses of the next.
   */
  async #writeNext(): Promise<number | void> {
    if (this.#waiting.length === 0) return;
    if (this.#bucket && !this.#closed && !this.#bucket.take()) return this.#bucket.wait_ms;
    const batch = this.#nextBatch();
    await this.#write(batch);
    this.#failures = 0;
    this.#waiting.splice(0, batch.length);
    for (const event of batch) this.#bytes -= Buffer.byteLength(event);
    if (this.#waiting.length > 0) return 0;
  }

  #nextBatch(): string[] {
    const { batch_max, batch_bytes_max } = this.#options;
    let [count, bytes] = [0, 0];
    for (const event of this.#waiting) {
      bytes += Buffer.byteLength(event);
      if (count >= batch_max || (count > 0 && bytes > batch_bytes_max)) break;
      count++;
    }
    return this.#waiting.slice(0, count);
  }

  /** Throws what the sink did while there are attempts left; after that the batch is lost. */
  async #write(batch: readonly string[]): Promise<void> {
    try {
      await this.#sink.write(batch);
      this.#losses.written();
    } catch (thrown) {
      this.#failures++;
      if (this.#failures < AUDIT_ATTEMPTS_MAX && !this.#closed) throw thrown;
      this.#losses.lost(batch.length, thrown);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing.close();
    while (this.#waiting.length > 0) await this.#writeNext();
    await this.#sink.close();
  }
}
