import type { Clock } from "./clock.ts";
import { FairQueue } from "./fair-queue.ts";
import { INPUT_TURN_MS } from "./limits.ts";

/** Limits of a rotation. */
export interface RotationLimits {
  /** How many start in one turn of the event loop. */
  readonly ofTurn: number;
  /** How many of one owner wait. */
  readonly ofOwner: number;
  /** How many of one owner that wait start in one turn: in a flood of one, turns are short. */
  readonly ofOwnerInTurn?: number;
  /** How many wait in all; unbounded by default, where the number of owners is bounded. */
  readonly ofAll?: number;
}

/**
 * Starts a few requests in each turn of the event loop, in rotation over their owners: a flood of
 * one owner, refused or reset requests too, delays those of others by a turn and not by all of its
 * work. While there are few, each starts as it arrives. With a clock, a turn starts no further one
 * when their starts have taken INPUT_TURN_MS: where the work is in the start, one may be costly.
 */
export class Rotation {
  readonly #waiting = new FairQueue<() => void>();
  readonly #limits: RotationLimits;
  readonly #clock: Clock | undefined;
  /** Requests started in this turn. Whenever it is not 0, an immediate starts the next turn. */
  #begun = 0;
  /** How long the starts of this turn took. */
  #spent_ms = 0;

  constructor(limits: RotationLimits, clock?: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Starts a request now or in a later turn. Returns false if too many wait. */
  enter(owner: string, begin: () => void): boolean {
    const { ofOwner, ofAll = Infinity } = this.#limits;
    const { length } = this.#waiting;
    if (length === 0 && this.#mayBegin()) this.#begin(begin);
    else if (length >= ofAll || this.#waiting.lengthOf(owner) >= ofOwner) return false;
    else this.#waiting.push(owner, begin);
    return true;
  }

  #mayBegin(): boolean {
    return this.#begun < this.#limits.ofTurn && this.#spent_ms < INPUT_TURN_MS;
  }

  #begin(begin: () => void): void {
    if (this.#begun++ === 0) setImmediate(() => this.#nextTurn());
    const start_ms = this.#clock?.monotonic() ?? 0;
    begin();
    this.#spent_ms += (this.#clock?.monotonic() ?? 0) - start_ms;
  }

  #nextTurn(): void {
    this.#begun = this.#spent_ms = 0;
    const most = this.#waiting.owners * (this.#limits.ofOwnerInTurn ?? Infinity);
    while (this.#mayBegin() && this.#begun < most) {
      const begin = this.#waiting.shift();
      if (!begin) return;
      this.#begin(begin);
    }
  }
}
