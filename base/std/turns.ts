import type { Clock } from "./clock.ts";
import { FairQueue } from "./fair-queue.ts";
import { Shares } from "./shares.ts";
import { resultWithin } from "./wait.ts";

/** Runs one operation at a time for each key, in the order of the calls. */
export class KeyedTurns {
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs `operation` after all earlier ones of the same key, regardless of their outcome. */
  run<R>(key: string, operation: () => Promise<R>): Promise<R> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const result = before.then(operation);
    const forget = () => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    };
    // A failure is the caller's: the next operation starts regardless.
    const tail: Promise<void> = result.then(forget, forget);
    this.#tails.set(key, tail);
    return result;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#tails.size > 0) await Promise.all(this.#tails.values());
  }
}

/** Shares each call that is under way: others with the same arguments settle as it does. */
export function sharedCalls<Args extends string[], R>(
  call: (...args: Args) => Promise<R>,
): (...args: Args) => Promise<R> {
  const underWay = new Map<string, Promise<R>>();
  return (...args) => {
    const key = JSON.stringify(args);
    const result = underWay.get(key) ?? call(...args).finally(() => underWay.delete(key));
    underWay.set(key, result);
    return result;
  };
}

/**
 * Runs some operations at a time, by default one, of them `each` of one owner; those of different
 * owners go in rotation.
 */
export class FairTurns {
  readonly #waiting = new FairQueue<() => void>();
  readonly #places: Shares;

  constructor(places = 1, each = places) {
    this.#places = new Shares({ all: places, each, reserved: 0 });
  }

  async run<R>(name: string, operation: () => Promise<R>): Promise<R> {
    const fits = (owner: string) => this.#places.fits({ name: owner });
    const take = () => this.#places.take({ name });
    const leave = fits(name)
      ? take()
      : await new Promise<() => void>((go) => this.#waiting.push(name, () => go(take())));
    try {
      return await operation();
    } finally {
      leave();
      this.#waiting.shift(fits)?.();
    }
  }
}

/** Fair turns of work that may hang: some operations at a time, each for `turn_ms` at most. */
export class TimedTurns {
  readonly #clock: Clock;
  readonly #turn_ms: number;
  readonly #turns: FairTurns;

  constructor(clock: Clock, { places, turn_ms }: { places: number; turn_ms: number }) {
    this.#clock = clock;
    this.#turn_ms = turn_ms;
    this.#turns = new FairTurns(places);
  }

  /**
   * Runs work in its owner's turn, and settles as it does. Work that takes longer than a turn goes
   * on, and the next starts beside it. Throws the signal's reason, without the work, when that is
   * aborted before the turn comes.
   */
  async run<R>(owner: string, work: () => Promise<R>, signal?: AbortSignal): Promise<R> {
    const { working } = await this.#turns.run(owner, async () => {
      signal?.throwIfAborted();
      const working = work();
      await resultWithin(this.#clock, Promise.allSettled([working]), this.#turn_ms);
      return { working };
    });
    return await working;
  }
}
