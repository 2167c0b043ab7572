import { Backoff } from "@raft2kube/reconcile/backoff.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { RELOAD_PAUSE_MS, RELOAD_PAUSE_MS_MAX, RELOADS_QUIET_MS } from "../limits.ts";

/**
 * Spaces the reloads, whose number bounds how long a former process keeps its connections: the
 * first is prompt, those that follow have growing pauses.
 */
export class ReloadPace {
  readonly #clock: Clock;
  readonly #backoff = new Backoff({ first_ms: RELOAD_PAUSE_MS, most_ms: RELOAD_PAUSE_MS_MAX });
  #last_ms = -Infinity;
  #next_ms = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds until a reload may start; 0: now. */
  get left_ms(): number {
    return Math.max(0, this.#next_ms - this.#clock.monotonic());
  }

  /** Counts a reload that starts now. */
  count(): void {
    const now_ms = this.#clock.monotonic();
    if (now_ms - this.#last_ms >= RELOADS_QUIET_MS) this.#backoff.reset();
    this.#last_ms = now_ms;
    this.#next_ms = now_ms + this.#backoff.next();
  }
}
