import type { Clock } from "@raft2kube/std/clock.ts";
import { FORMER_MS_MIN, FORMER_RELOADS_MAX, RELOAD_PAUSE_MS } from "../limits.ts";

/**
 * Spaces the reloads: the one that ends a former process waits until this has had its time. The
 * reloads before it are prompt.
 */
export class ReloadPace {
  readonly #clock: Clock;
  /** Times of the newest reloads, by each of which a process became a former one. */
  #recent_ms: number[] = Array<number>(FORMER_RELOADS_MAX).fill(-Infinity);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds until a reload may start; 0: now. */
  get left_ms(): number {
    const [oldest_ms, newest_ms] = [this.#recent_ms[0]!, this.#recent_ms.at(-1)!];
    const next_ms = Math.max(oldest_ms + FORMER_MS_MIN, newest_ms + RELOAD_PAUSE_MS);
    return Math.max(0, next_ms - this.#clock.monotonic());
  }

  /** Counts a reload that starts now. */
  count(): void {
    this.#recent_ms = [...this.#recent_ms.slice(1), this.#clock.monotonic()];
  }
}
