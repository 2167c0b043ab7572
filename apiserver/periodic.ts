import { logger } from "@raft2kube/observe/log.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { ROUND_RETRY_MS } from "./limits.ts";

const log = logger("apiserver");

/** Something that is made at a start, and kept right until the server closes. */
export interface Controller {
  /** Makes it; throws when that fails. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Runs a task at an interval, never two at a time; retries a failed run after a short delay. */
export class Periodic {
  readonly #clock: Clock;
  readonly #what: string;
  readonly #interval_ms: number;
  readonly #round: () => Promise<void> | void;
  readonly #retry_ms: number;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #closed = false;

  /**
   * `what` is logged of a round that fails: `the lease was not renewed`. It is tried again after
   * `retry_ms`, or after the interval if that is shorter.
   */
  constructor(
    clock: Clock,
    what: string,
    interval_ms: number,
    round: () => Promise<void> | void,
    retry_ms = ROUND_RETRY_MS,
  ) {
    this.#clock = clock;
    this.#what = what;
    this.#interval_ms = interval_ms;
    this.#round = round;
    this.#retry_ms = retry_ms;
  }

  /** The next round begins when the interval has passed. */
  schedule(delay_ms = this.#interval_ms): void {
    this.#timer?.cancel();
    if (!this.#closed) this.#timer = this.#clock.after(delay_ms, () => this.now());
  }

  /** A round begins now, or after the one that is under way. */
  now(): void {
    if (this.#closed) return;
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    this.#timer?.cancel();
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    let next_ms = this.#interval_ms;
    try {
      await this.#round();
    } catch (thrown) {
      log.warn(this.#what, { reason: messageOf(thrown) });
      next_ms = Math.min(next_ms, this.#retry_ms);
    }
    this.#running = undefined;
    const again = this.#again;
    this.#again = false;
    this.schedule(again ? 0 : next_ms);
  }

  /** No round begins any more; waits for the one under way. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#running;
  }
}
