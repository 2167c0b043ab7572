import type { Random } from "@raft2kube/std/random.ts";

/** The pauses between attempts: the first, and the bound that doubling ends at. */
export type Pauses = { readonly first_ms: number; readonly most_ms: number };

/** The most doublings: beyond, every pause is at its bound; 2 ** failures stays finite. */
const DOUBLINGS_MAX = 40;

/** Returns the pause in milliseconds after `failures` (1 or more) failures in a row. */
export function pauseAfter(failures: number, { first_ms, most_ms }: Pauses): number {
  // lab:08 begin pause-after
  return Math.min(most_ms, first_ms * 2 ** Math.min(failures - 1, DOUBLINGS_MAX));
  // lab:08 end
}

/**
 * Counts the failures of one thing in a row. With `random` each pause is stretched by up to as much
 * again, so that many clients do not return together (as client-go's reflector).
 */
export class Backoff {
  readonly #pauses: Pauses;
  readonly #random: Random | undefined;
  #failures = 0;

  constructor(pauses: Pauses, random?: Random) {
    this.#pauses = pauses;
    this.#random = random;
  }

  /** Counts a failure; returns the pause before the next attempt, in milliseconds. */
  next(): number {
    this.#failures += 1;
    const pause_ms = pauseAfter(this.#failures, this.#pauses);
    return this.#random ? Math.round(pause_ms * (1 + this.#random.next())) : pause_ms;
  }

  /** An attempt succeeded: the next failure is followed by the first pause. */
  reset(): void {
    this.#failures = 0;
  }
}
