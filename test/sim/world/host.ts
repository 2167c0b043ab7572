import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import type { Timeline } from "../../../testing/timeline.ts";

/** Midnight of the first day of 2026, where every host's wall clock starts. */
const EPOCH_MS = Date.UTC(2026, 0, 1);

const NEVER: Timer = { cancel: () => undefined };

/**
 * A machine on which one member runs, life after life. Its clock drifts and steps; paused, it does
 * nothing until it is resumed; a crash forgets all that was still to happen in this life.
 */
export class Host {
  readonly #timeline: Timeline;
  #generation = 0;
  #paused = false;
  #held: (() => void)[] = [];
  #wallStep_ms = 0;
  /** Ends each operation of a disk that is under way. */
  readonly #operations = new Set<() => void>();
  /** How fast this machine's clock runs; 1 is true time. */
  readonly rate: number;

  constructor(timeline: Timeline, rate: number) {
    this.#timeline = timeline;
    this.rate = rate;
  }

  /** Counts starts, to distinguish the processes of one member. */
  get generation(): number {
    return this.#generation;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /**
   * Calls `act` `delay_ms` of true time from now, if `generation` lasts until then. Actions of a
   * generation that has ended are never called.
   */
  after(delay_ms: number, act: () => void, generation = this.#generation): Timer {
    if (generation !== this.#generation) return NEVER;
    let cancelled = false;
    this.#timeline.after(delay_ms, () => {
      this.awake(() => {
        if (this.#generation === generation && !cancelled) act();
      });
    });
    return {
      cancel: () => {
        cancelled = true;
      },
    };
  }

  /** The same as `after`, for an operation of a slow disk: it may end early, by `endOperations`. */
  operate(delay_ms: number, act: () => void, generation: number): void {
    const end = () => {
      timer.cancel();
      this.after(0, act, generation);
    };
    const onTime = () => {
      this.#operations.delete(end);
      act();
    };
    const timer = this.after(delay_ms, onTime, generation);
    this.#operations.add(end);
  }

  /** Ends the pending operations of disks now, in the order in which they started. */
  endOperations(): void {
    for (const end of this.#operations) end();
    this.#operations.clear();
  }

  /** Runs `act` now, or, paused, once it is resumed; in the order of the calls. */
  awake(act: () => void): void {
    if (this.#paused) this.#held.push(act);
    else act();
  }

  /** SIGSTOP, or a loop that does not turn: nothing happens here until `resume`. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    for (const run of this.#held.splice(0)) run();
  }

  /** This life ends: nothing of it happens any more. */
  end(): void {
    this.#generation++;
    this.#paused = false;
    this.#held = [];
    this.#operations.clear();
  }

  stepWallClock(by_ms: number): void {
    this.#wallStep_ms += by_ms;
  }

  /** The clock that a process on this machine sees, for as long as its life lasts. */
  get clock(): Clock {
    const generation = this.#generation;
    return {
      now: () => EPOCH_MS + this.#timeline.now_ms * this.rate + this.#wallStep_ms,
      monotonic: () => this.#timeline.now_ms * this.rate,
      after: (delay_ms, act) => this.after(delay_ms / this.rate, act, generation),
    };
  }
}
