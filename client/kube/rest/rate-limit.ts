import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { Fifo } from "@raft2kube/std/fifo.ts";
import { TokenBucket } from "@raft2kube/std/token-bucket.ts";
import { RATE_WAITERS_MAX } from "../limits.ts";

/** Requests by the tokens of a bucket: `qps` per second, bursts of `burst`, waiters in order. */
export class RateLimit {
  readonly #clock: Clock;
  readonly #qps: number;
  readonly #bucket: TokenBucket;
  readonly #waiters = new Fifo<() => void>();
  #timer: Timer | undefined;
  #closed = false;

  constructor({ clock, qps, burst }: { clock: Clock; qps: number; burst: number }) {
    this.#clock = clock;
    this.#qps = qps;
    this.#bucket = new TokenBucket(clock, { capacity: burst, perSecond: qps });
  }

  /** Resolves when a request may be sent. Fails with `RateQueueFull` when too many wait already. */
  take(): Promise<void> {
    if (this.#closed || (this.#waiters.length === 0 && this.#bucket.take())) {
      return Promise.resolve();
    }
    if (this.#waiters.length >= RATE_WAITERS_MAX) {
      const message = `${RATE_WAITERS_MAX} requests wait for the client's bound of ${this.#qps}/s`;
      return Promise.reject(new CodedError("RateQueueFull", message));
    }
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      this.#timer ??= this.#clock.after(this.#bucket.wait_ms, () => this.#release());
    });
  }

  /** Releases all waiters and later requests, to fail on their closed transport. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    while (this.#waiters.length > 0) this.#waiters.shift()!();
  }

  #release(): void {
    this.#timer = undefined;
    while (this.#waiters.length > 0) {
      if (!this.#bucket.take()) {
        this.#timer = this.#clock.after(this.#bucket.wait_ms, () => this.#release());
        return;
      }
      this.#waiters.shift()!();
    }
  }
}
