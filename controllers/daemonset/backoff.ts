import type { Clock } from "@raft2kube/std/clock.ts";
import { DAEMON_BACKOFF_MS_MAX, DAEMON_BACKOFF_MS } from "../limits.ts";

interface Pause {
  pause_ms: number;
  since_ms: number;
}

/** Pauses between the failures of daemon pods: a second, doubled each time, at most 15 minutes. */
export class FailureBackoff {
  readonly #clock: Clock;
  readonly #pauses = new Map<string, Pause>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How long the next failed pod of a key must stay yet. */
  wait_ms(key: string): number {
    const pause = this.#pauses.get(key);
    return pause ? Math.max(0, pause.since_ms + pause.pause_ms - this.#clock.monotonic()) : 0;
  }

  /** A failed pod is deleted. What has not failed for twice the longest pause is forgotten. */
  failed(key: string): void {
    const now_ms = this.#clock.monotonic();
    for (const [other, { since_ms }] of this.#pauses) {
      if (now_ms - since_ms > 2 * DAEMON_BACKOFF_MS_MAX) this.#pauses.delete(other);
    }
    const last = this.#pauses.get(key);
    const pause_ms = last ? Math.min(DAEMON_BACKOFF_MS_MAX, 2 * last.pause_ms) : DAEMON_BACKOFF_MS;
    this.#pauses.set(key, { pause_ms, since_ms: now_ms });
  }
}
