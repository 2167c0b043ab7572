import type { Clock } from "@raft2kube/std/clock.ts";

/** Allows a burst, and a rate in the long run. */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #capacity: number;
  readonly #perSecond: number;
  #tokens: number;
  #since_ms: number;

  constructor(clock: Clock, options: { capacity: number; perSecond: number }) {
    this.#clock = clock;
    this.#capacity = options.capacity;
    this.#perSecond = options.perSecond;
    this.#tokens = options.capacity;
    this.#since_ms = clock.monotonic();
  }

  /** Takes one; false when there is none. The clock is only asked then. */
  take(): boolean {
    if (this.#tokens < 1) this.#refill();
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Gives some back. */
  give(tokens: number): void {
    this.#tokens = Math.min(this.#capacity, this.#tokens + tokens);
  }

  #refill(): void {
    const now_ms = this.#clock.monotonic();
    this.give(((now_ms - this.#since_ms) / 1000) * this.#perSecond);
    this.#since_ms = now_ms;
  }
}
