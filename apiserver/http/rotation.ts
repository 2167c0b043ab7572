import { Fifo } from "@raft2kube/std/fifo.ts";
import { REQUESTS_OF_TURN_MAX, REQUESTS_WAITING_MAX } from "../limits.ts";

/**
 * Starts a few requests in each turn of the event loop, in rotation over the owners of their
 * connections: a flood of one owner, refused or reset requests too, delays those of others by a
 * turn and not by all of its work. While there are few, each starts as it arrives.
 */
export class Rotation {
  /** None is empty. The owner that is next is the first. */
  readonly #waiting = new Map<string, Fifo<() => void>>();
  /** Requests started in this turn. Whenever it is not 0, an immediate starts the next turn. */
  #begun = 0;

  /** Starts a request now or in a later turn. Returns false if too many of its owner wait. */
  enter(owner: string, begin: () => void): boolean {
    if (this.#waiting.size === 0 && this.#begun < REQUESTS_OF_TURN_MAX) {
      this.#begin(begin);
      return true;
    }
    const own = this.#waiting.get(owner) ?? new Fifo<() => void>();
    if (own.length >= REQUESTS_WAITING_MAX) return false;
    own.push(begin);
    this.#waiting.set(owner, own);
    return true;
  }

  #begin(begin: () => void): void {
    if (this.#begun++ === 0) setImmediate(() => this.#nextTurn());
    begin();
  }

  #nextTurn(): void {
    this.#begun = 0;
    for (const [owner, own] of this.#waiting) {
      if (this.#begun >= REQUESTS_OF_TURN_MAX) return;
      this.#waiting.delete(owner);
      const begin = own.shift()!;
      // Behind the others: the iteration comes to it again.
      if (own.length > 0) this.#waiting.set(owner, own);
      this.#begin(begin);
    }
  }
}
