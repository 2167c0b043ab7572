import { type Clock, systemClock } from "./clock.ts";
import { Fifo } from "./fifo.ts";

/** Maximum time that one piece of divisible work blocks the event loop. */
const SLICE_MS = 10;
/** Pieces of work start in one turn of the event loop until they have taken this together. */
const TURN_MS = 1;

const clock = systemClock();
/** Work that waits for a turn of this thread's event loop. Invariant: empty unless `isPending`. */
const waiting = new Fifo<() => void>();
let isPending = false;

/** Resolves in the next turn of the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Resolves in a later turn of the event loop, in order of arrival. However many pieces of work
 * wait, a turn starts only some of them, and other events are processed before the next.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (isPending) return;
    isPending = true;
    setImmediate(runTurn);
  });
}

function runTurn(): void {
  const until_ms = clock.monotonic() + TURN_MS;
  // Work that pauses in this turn goes on in a later one.
  let left = waiting.length;
  const step = () => {
    waiting.shift()?.();
    left--;
    // A tick that a microtask asks for runs after what was resumed leads to.
    queueMicrotask(() =>
      process.nextTick(() => {
        if (left > 0 && clock.monotonic() < until_ms) return step();
        isPending = waiting.length > 0;
        if (isPending) setImmediate(runTurn);
      }),
    );
  };
  step();
}

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

  /** Resolves in a turn of the event loop that has time for the next slice, and starts it. */
  async pause(): Promise<void> {
    await nextTurn();
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

/** Returns the items that `matches` holds for, compared in slices. */
export async function filterInSlices<T>(
  items: readonly T[],
  matches: (item: T) => boolean,
): Promise<T[]> {
  const found: T[] = [];
  const slices = new Slices();
  for (const item of items) {
    if (slices.due) await slices.pause();
    if (matches(item)) found.push(item);
  }
  return found;
}
