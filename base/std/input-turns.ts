import type { Clock } from "./clock.ts";
import { FairQueue } from "./fair-queue.ts";
import { INPUT_TURN_MS } from "./limits.ts";

/** A socket that can be held back. */
interface Source {
  pause(): unknown;
  resume(): unknown;
}

interface Waiting {
  readonly source: Source;
  readonly take: () => boolean;
}

/**
 * Bounds the time for which one turn of the event loop takes input from all connections that share
 * it. The rest waits, its connections paused, for later turns, in rotation over their owners and of
 * one owner in the order in which it came. Timers and other connections run in between, however
 * much clients send and regardless of its cost.
 */
export class InputTurns {
  readonly #clock: Clock;
  /** How long one turn takes input. */
  readonly turn_ms: number;
  readonly #waiting = new FairQueue<Waiting>();
  #open = false;
  #until_ms = 0;

  constructor(clock: Clock, turn_ms = INPUT_TURN_MS) {
    this.#clock = clock;
    this.turn_ms = turn_ms;
  }

  /** Calls `take`, now or later. It returns whether the source is to continue. */
  receive(source: Source, take: () => boolean, owner = ""): void {
    const now_ms = this.#clock.monotonic();
    if (!this.#open) {
      this.#open = true;
      this.#until_ms = now_ms + this.turn_ms;
      setImmediate(() => this.#endTurn());
    }
    if (this.#waiting.length === 0 && now_ms < this.#until_ms) {
      if (!take()) source.pause();
      return;
    }
    source.pause();
    this.#waiting.push(owner, { source, take });
  }

  #endTurn(): void {
    if (this.#waiting.length === 0) this.#open = false;
    else void this.#takeWaiting();
  }

  async #takeWaiting(): Promise<void> {
    this.#until_ms = this.#clock.monotonic() + this.turn_ms;
    do {
      const { source, take } = this.#waiting.shift()!;
      if (take()) source.resume();
      // Streams and promises pass it on within this turn: that work counts as well.
      for (let i = 0; i < 2; i++) await new Promise<void>((pass) => process.nextTick(pass));
    } while (this.#waiting.length > 0 && this.#clock.monotonic() < this.#until_ms);
    setImmediate(() => this.#endTurn());
  }
}
