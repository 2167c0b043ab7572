import type { Random } from "@raft2kube/std/random.ts";

/**
 * Pauses that double from `first_ms` to `most_ms`, each stretched by up to as much again at random.
 */
export class Backoff {
  readonly #first_ms: number;
  readonly #most_ms: number;
  readonly #random: Random;
  #next_ms: number;

  constructor(options: { first_ms: number; most_ms: number; random: Random }) {
    this.#first_ms = options.first_ms;
    this.#most_ms = options.most_ms;
    this.#random = options.random;
    this.#next_ms = options.first_ms;
  }

  /** The pause before the next attempt, in milliseconds. */
  next(): number {
    const pause_ms = this.#next_ms * (1 + this.#random.next());
    this.#next_ms = Math.min(this.#most_ms, this.#next_ms * 2);
    return Math.round(pause_ms);
  }

  /** An attempt went well: begin again at the first pause. */
  reset(): void {
    this.#next_ms = this.#first_ms;
  }
}
