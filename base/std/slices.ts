import { type Clock, systemClock } from "./clock.ts";

/** How long work that can wait holds the loop before others come in between. */
const SLICE_MS = 10;

/**
 * Lets others run while long work goes on: `if (slices.due) await slices.pause()` between its steps
 * gives way when SLICE_MS are over.
 */
export class Slices {
  readonly #clock: Clock;
  #until_ms: number;

  constructor(clock: Clock = systemClock()) {
    this.#clock = clock;
    this.#until_ms = clock.monotonic() + SLICE_MS;
  }

  /** Whether it is time to give way. */
  get due(): boolean {
    return this.#clock.monotonic() >= this.#until_ms;
  }

  /** Resolves after others have run; the next slice begins. */
  async pause(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#until_ms = this.#clock.monotonic() + SLICE_MS;
  }
}

/** Runs the steps of a generator in slices, and resolves with what it returns. */
export async function inSlices<T>(steps: Iterator<void, T>, slices = new Slices()): Promise<T> {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (slices.due) await slices.pause();
  }
}
