import { type Clock, systemClock } from "./clock.ts";
import { Fifo } from "./fifo.ts";
import { FairTurns } from "./turns.ts";
import { delay } from "./wait.ts";

/** Maximum time that one piece of divisible work blocks the event loop. */
const SLICE_MS = 10;
/** Pieces of work start in one turn of the event loop until they have taken this together. */
const TURN_MS = 1;
/** A slice that took longer had a step that cannot be divided. */
const LONG_SLICE_MS = 30;

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
 * Turns of the event loop for long steps that cannot be divided, one at a time, those of different
 * owners in rotation. After each the others have the loop for as long as it took: a request of
 * theirs, which takes several turns, waits for one such step, and not for one in each of its turns.
 */
export class LongTurns {
  readonly #clock: Clock;
  readonly #turns = new FairTurns();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves in such a turn. */
  next(owner: string): Promise<void> {
    return new Promise((resolve) => {
      void this.#turns.run(owner, async () => {
        await turn();
        const start_ms = this.#clock.monotonic();
        resolve();
        // A tick that a microtask asks for runs after what was resumed leads to.
        await new Promise<void>((done) => queueMicrotask(() => process.nextTick(done)));
        const took_ms = this.#clock.monotonic() - start_ms;
        if (took_ms > SLICE_MS) await delay(this.#clock, took_ms);
      });
    });
  }
}

const longTurns = new LongTurns(clock);

/** Resolves in a turn of this thread's event loop that a long step of an owner may take. */
export const longTurn = (owner: string): Promise<void> => longTurns.next(owner);

/**
 * Divides long work: `if (slices.due) await slices.pause()` between its steps yields to the event
 * loop after SLICE_MS. With an owner, whose steps may be long, the slice after such a step is a
 * `longTurn`.
 */
export class Slices {
  readonly #clock: Clock;
  readonly #owner: string | undefined;
  #until_ms: number;

  constructor(clock: Clock = systemClock(), owner?: string) {
    this.#clock = clock;
    this.#owner = owner;
    this.#until_ms = clock.monotonic() + SLICE_MS;
  }

  /** Whether SLICE_MS have passed. */
  get due(): boolean {
    return this.#clock.monotonic() >= this.#until_ms;
  }

  /** Resolves in a turn of the event loop that has time for the next slice, and starts it. */
  async pause(): Promise<void> {
    const now_ms = this.#clock.monotonic();
    const isLong = now_ms - this.#until_ms > LONG_SLICE_MS - SLICE_MS;
    await (isLong && this.#owner !== undefined ? longTurn(this.#owner) : nextTurn());
    this.#until_ms = this.#clock.monotonic() + SLICE_MS;
  }
}

/**
 * Runs the steps of a generator in slices, and resolves with its return value. A promise that it
 * yields, which must not reject, is awaited before the next step.
 */
export async function inSlices<T>(
  steps: Iterator<Promise<void> | void, T>,
  slices = new Slices(),
): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    if (step.value) await step.value;
    if (slices.due) await slices.pause();
  }
}

/** Runs the steps of a generator in this turn, and returns its return value. */
export function atOnce<T>(steps: Iterator<unknown, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** Returns what `map` makes of each item, in slices. */
export async function mapInSlices<T, U>(items: readonly T[], map: (item: T) => U): Promise<U[]> {
  const made: U[] = [];
  const slices = new Slices();
  for (const item of items) {
    if (slices.due) await slices.pause();
    made.push(map(item));
  }
  return made;
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
