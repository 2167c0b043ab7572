import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { QUIET_AFTER_BYTES, QUIET_MS } from "../limits.ts";

/**
 * Tells when much was written and then nothing for a while: what the writes left behind is garbage
 * that no later work may come to collect.
 */
export class Quiet {
  readonly #clock: Clock;
  readonly #onQuiet: () => void;
  #bytes = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, onQuiet: () => void) {
    this.#clock = clock;
    this.#onQuiet = onQuiet;
  }

  /** So many bytes went to the backend. */
  flushed(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < QUIET_AFTER_BYTES) return;
    this.#timer?.cancel();
    this.#timer = this.#clock.after(QUIET_MS, () => {
      this.#timer = undefined;
      this.#bytes = 0;
      this.#onQuiet();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }
}
