import { FairQueue } from "./fair-queue.ts";

/** Limits of a rotation. */
export interface RotationLimits {
  /** How many start in one turn of the event loop. */
  readonly ofTurn: number;
  /** How many of one owner wait. */
  readonly ofOwner: number;
  /** How many wait in all; unbounded by default, where the number of owners is bounded. */
  readonly ofAll?: number;
}

/**
 * Starts a few requests in each turn of the event loop, in rotation over their owners: a flood of
 * one owner, refused or reset requests too, delays those of others by a turn and not by all of its
 * work. While there are few, each starts as it arrives.
 */
export class Rotation {
  readonly #waiting = new FairQueue<() => void>();
  readonly #limits: RotationLimits;
  /** Requests started in this turn. Whenever it is not 0, an immediate starts the next turn. */
  #begun = 0;

  constructor(limits: RotationLimits) {
    this.#limits = limits;
  }

  /** Starts a request now or in a later turn. Returns false if too many wait. */
  enter(owner: string, begin: () => void): boolean {
    const { ofTurn, ofOwner, ofAll = Infinity } = this.#limits;
    const { length } = this.#waiting;
    if (length === 0 && this.#begun < ofTurn) this.#begin(begin);
    else if (length >= ofAll || this.#waiting.lengthOf(owner) >= ofOwner) return false;
    else this.#waiting.push(owner, begin);
    return true;
  }

  #begin(begin: () => void): void {
    if (this.#begun++ === 0) setImmediate(() => this.#nextTurn());
    begin();
  }

  #nextTurn(): void {
    this.#begun = 0;
    while (this.#begun < this.#limits.ofTurn) {
      const begin = this.#waiting.shift();
      if (!begin) return;
      this.#begin(begin);
    }
  }
}
