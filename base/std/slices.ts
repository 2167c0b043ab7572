import { type Clock, systemClock } from "./clock.ts";

/** Maximum time that divisible work blocks the event loop. */
const SLICE_MS = 10;

/**
 * Divides long work: `if (slices.due) await slices.pause()` between its steps yields to the event
 * loop after SLICE_MS.
 */
export class Slices {
  readonly #clock: Clock;
  #until_ms: number;

  constructor(clock: Clock = systemClock()) {
    this.#clock = clock;
    this.#until_ms = clock.monotonic() + SLICE_MS;
  }

  /** Whether SLICE_MS have passed. */
  get due(): boolean {
    return this.#clock.monotonic() >= this.#until_ms;
  }

  /** Resolves after other events were processed, and starts the next slice. */
  async pause(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#until_ms = this.#clock.monotonic() + SLICE_MS;
  }
}

/** Runs the steps of a generator in slices, and resolves with its return value. */
export async function inSlices<T>(steps: Iterator<void, T>, slices = new Slices()): Promise<T> {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (slices.due) await slices.pause();
  }
}
