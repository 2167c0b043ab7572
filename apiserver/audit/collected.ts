import { pauseAfter } from "@raft2kube/reconcile/backoff.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
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
  readonly throttle?: { readonly perSecond: number; readonly burst: number };
  /** Pause after the first failure; each further one doubles it. */
  readonly retry_ms: number;
}

/**
 * Collects events and writes batches of them, one after the other; no request waits. A batch that
 * cannot be written is tried again a few times. Waiting events are bounded in number and bytes.
 */
export class Collected implements Backend {
  readonly mode = "batch";
  readonly event_bytes_max: number;
  readonly #sink: Sink;
  readonly #losses: Losses;
  readonly #options: BatchOptions;
  readonly #clock: Clock;
  #waiting: string[] = [];
  #bytes = 0;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #tokens: number;
  #refilled_ms: number;
  #closed = false;
  /** Ends a pause. */
  #wake: () => void = () => undefined;

  constructor(
    sink: Sink,
    losses: Losses,
    options: BatchOptions,
    clock: Clock,
    event_bytes_max: number,
  ) {
    this.#sink = sink;
    this.#losses = losses;
    this.#options = options;
    this.#clock = clock;
    this.event_bytes_max = event_bytes_max;
    this.#tokens = options.throttle?.burst ?? 0;
    this.#refilled_ms = clock.monotonic();
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
    if (this.#waiting.length >= batch_max) this.#start();
    else this.#timer ??= this.#clock.after(wait_ms, () => this.#start());
  }

  #start(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#writing ??= this.#writeAll().finally(() => (this.#writing = undefined));
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#throttled();
      await this.#write(this.#takeBatch());
    }
  }

  #takeBatch(): string[] {
    const { batch_max, batch_bytes_max } = this.#options;
    let [count, bytes] = [0, 0];
    for (const event of this.#waiting) {
      const more = Buffer.byteLength(event);
      if (count >= batch_max || (count > 0 && bytes + more > batch_bytes_max)) break;
      bytes += more;
      count++;
    }
    this.#bytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  async #write(batch: readonly string[]): Promise<void> {
    const { retry_ms } = this.#options;
    for (let failures = 1; ; failures++) {
      try {
        await this.#sink.write(batch);
        return this.#losses.written();
      } catch (thrown) {
        if (failures < AUDIT_ATTEMPTS_MAX && !this.#closed) {
          await this.#pause(pauseAfter(failures, { first_ms: retry_ms, most_ms: Infinity }));
          continue;
        }
        return this.#losses.lost(batch.length, thrown);
      }
    }
  }

  /** Waits for a token of the bucket. */
  async #throttled(): Promise<void> {
    const { throttle } = this.#options;
    if (throttle === undefined || this.#closed) return;
    const now_ms = this.#clock.monotonic();
    const refill = ((now_ms - this.#refilled_ms) / 1_000) * throttle.perSecond;
    this.#refilled_ms = now_ms;
    this.#tokens = Math.min(throttle.burst, this.#tokens + refill);
    this.#tokens -= 1;
    if (this.#tokens < 0) await this.#pause((-this.#tokens / throttle.perSecond) * 1_000);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(ms, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    this.#start();
    await this.#writing;
    await this.#sink.close();
  }
}
