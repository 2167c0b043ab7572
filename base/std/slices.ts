/** How long work that can wait holds the loop before others come in between. */
const SLICE_MS = 10;

/**
 * Lets others run while long work goes on: `await slices.pause()` between its steps costs next to
 * nothing, and gives way when SLICE_MS are over.
 */
export class Slices {
  #until_ms = performance.now() + SLICE_MS;

  /** Whether it is time to give way. */
  get due(): boolean {
    return performance.now() >= this.#until_ms;
  }

  /** Resolves at once, or, when a slice is over, after others have run. */
  async pause(): Promise<void> {
    if (!this.due) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#until_ms = performance.now() + SLICE_MS;
  }
}

/** Runs the steps of a generator in slices, and resolves with what it returns. */
export async function inSlices<T>(steps: Iterator<void, T>): Promise<T> {
  const slices = new Slices();
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (slices.due) await slices.pause();
  }
}
