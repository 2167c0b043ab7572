import type { Clock } from "./clock.ts";

/** Rate of a bucket: `perSecond` in the long run, and bursts of `capacity`. */
export type TokenRate = { readonly capacity: number; readonly perSecond: number };

/** Allows a burst, and a rate in the long run. */
export class TokenBucket {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #rate: TokenRate;
  #tokens: number;
  #since_ms: number;

  constructor(clock: Pick<Clock, "monotonic">, rate: TokenRate) {
    this.#clock = clock;
    this.#rate = rate;
    this.#tokens = rate.capacity;
    this.#since_ms = clock.monotonic();
  }

  /** Takes one; false when there is none. */
  take(): boolean {
    const now_ms = this.#clock.monotonic();
    this.give(((now_ms - this.#since_ms) / 1000) * this.#rate.perSecond);
    this.#since_ms = now_ms;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** How long after the last `take` there is one to take, in milliseconds. */
  get wait_ms(): number {
    return Math.ceil((Math.max(0, 1 - this.#tokens) / this.#rate.perSecond) * 1000);
  }

  /** Gives some back. */
  give(tokens: number): void {
    this.#tokens = Math.min(this.#rate.capacity, this.#tokens + tokens);
  }
}
