import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { RATE_WAITERS_MAX } from "../limits.ts";

/**
 * A token bucket: `qps` requests per second in the long run, and bursts of `burst`. Waiters are
 * served in order.
 */
export class RateLimit {
  readonly #clock: Clock;
  readonly #qps: number;
  readonly #burst: number;
  #tokens: number;
  #filled_ms: number;
  #waiters: (() => void)[] = [];
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: { clock: Clock; qps: number; burst: number }) {
    this.#clock = options.clock;
    this.#qps = options.qps;
    this.#burst = options.burst;
    this.#tokens = options.burst;
    this.#filled_ms = options.clock.monotonic();
  }

  /** Resolves when a request may be sent. Fails with `RateQueueFull` when too many wait already. */
  take(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#fill();
    if (this.#waiters.length === 0 && this.#tokens >= 1) {
      this.#tokens -= 1;
      return Promise.resolve();
    }
    if (this.#waiters.length >= RATE_WAITERS_MAX) {
      const message = `${RATE_WAITERS_MAX} requests wait for the client's bound of ${this.#qps}/s`;
      return Promise.reject(new CodedError("RateQueueFull", message));
    }
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      this.#schedule();
    });
  }

  /** Releases all waiters and later requests, to fail on their closed transport. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  #fill(): void {
    const now_ms = this.#clock.monotonic();
    const gained = ((now_ms - this.#filled_ms) / 1000) * this.#qps;
    this.#tokens = Math.min(this.#burst, this.#tokens + gained);
    this.#filled_ms = now_ms;
  }

  #schedule(): void {
    if (this.#timer) return;
    const missing = Math.max(0, 1 - this.#tokens);
    this.#timer = this.#clock.after(Math.ceil((missing / this.#qps) * 1000), () => {
      this.#timer = undefined;
      this.#fill();
      while (this.#tokens >= 1 && this.#waiters.length > 0) {
        this.#tokens -= 1;
        this.#waiters.shift()?.();
      }
      if (this.#waiters.length > 0) this.#schedule();
    });
  }
}
