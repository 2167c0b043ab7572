import { INT32_MAX } from "./limits.ts";

export const MS_PER_DAY = 86_400_000;

/** A pending timer; cancelling one that has fired does nothing. */
export interface Timer {
  cancel(): void;
}

/** Time as an argument, so that a simulator can control it. */
export interface Clock {
  /** Wall-clock time, milliseconds since 1970. May step. */
  now(): number;
  /** Milliseconds from an arbitrary start. Never steps back. */
  monotonic(): number;
  /** Calls `fn` once, `delay_ms` from now. */
  after(delay_ms: number, fn: () => void): Timer;
}

/** Starts to measure; returns how to read the seconds since then. */
export function stopwatch(clock: Pick<Clock, "monotonic">): () => number {
  const from_ms = clock.monotonic();
  return () => (clock.monotonic() - from_ms) / 1_000;
}

/** Maximum delay of a Node timer, 25 days: a longer one fires immediately. */
const TIMER_MS_MAX = INT32_MAX;

/** The machine's clock. Its timers keep the process alive unless `unref` is set. */
export const systemClock = (options: { unref?: boolean } = {}): Clock => ({
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delay_ms, fn) {
    let handle: NodeJS.Timeout;
    const wait = (left_ms: number) => {
      const rest_ms = left_ms - TIMER_MS_MAX;
      const next = rest_ms > 0 ? () => wait(rest_ms) : fn;
      handle = setTimeout(next, Math.min(left_ms, TIMER_MS_MAX));
      if (options.unref) handle.unref();
    };
    wait(delay_ms);
    return { cancel: () => clearTimeout(handle) };
  },
});

/**
 * A clock that only `advance` moves; timers fire in order of their deadline, then of their
 * creation.
 */
export class ManualClock implements Clock {
  #now_ms: number;
  readonly #start_ms: number;
  #timers: { at_ms: number; order: number; fn: () => void }[] = [];
  #order = 0;

  constructor(start_ms = 0) {
    this.#now_ms = start_ms;
    this.#start_ms = start_ms;
  }

  now(): number {
    return this.#now_ms;
  }

  monotonic(): number {
    return this.#now_ms - this.#start_ms;
  }

  after(delay_ms: number, fn: () => void): Timer {
    const timer = { at_ms: this.#now_ms + Math.max(0, delay_ms), order: this.#order++, fn };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** Moves time forward and fires due timers, including those that timers create. */
  advance(by_ms: number): void {
    const end_ms = this.#now_ms + by_ms;
    for (;;) {
      const due = this.#timers
        .filter((timer) => timer.at_ms <= end_ms)
        .sort((a, b) => a.at_ms - b.at_ms || a.order - b.order)[0];
      if (!due) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#now_ms = due.at_ms;
      due.fn();
    }
    this.#now_ms = end_ms;
  }
}
