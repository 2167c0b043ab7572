import type { Clock, Timer } from "./clock.ts";

/** Thresholds of an IdleDetector. */
export interface IdleThresholds {
  /** Work after which idle time is reported. */
  readonly busy_bytes: number;
  /** Work within `idle_ms` below this counts as idle. */
  readonly idle_bytes: number;
  readonly idle_ms: number;
}

/**
 * Calls back once when `busy_bytes` of work were followed by idle time: the garbage of that
 * work would otherwise stay until later work triggers a collection.
 */
export class IdleDetector {
  readonly #clock: Clock;
  readonly #thresholds: IdleThresholds;
  readonly #onIdle: () => void;
  #bytes = 0;
  /** Work since the timer was started. */
  #recent = 0;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(clock: Clock, thresholds: IdleThresholds, onIdle: () => void) {
    this.#clock = clock;
    this.#thresholds = thresholds;
    this.#onIdle = onIdle;
  }

  /** Records work of `bytes`. */
  note(bytes: number): void {
    this.#bytes += bytes;
    this.#recent += bytes;
    const waits = this.#timer !== undefined || this.#stopped;
    if (!waits && this.#bytes >= this.#thresholds.busy_bytes) this.#wait();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #wait(): void {
    this.#recent = 0;
    this.#timer = this.#clock.after(this.#thresholds.idle_ms, () => {
      if (this.#recent >= this.#thresholds.idle_bytes) return this.#wait();
      this.#timer = undefined;
      this.#bytes = 0;
      this.#onIdle();
    });
  }
}
