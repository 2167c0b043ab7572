import { type Pauses, pauseAfter } from "@raft2kube/reconcile/backoff.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { DAEMON_BACKOFF_MS, DAEMON_BACKOFF_MS_MAX } from "../limits.ts";

interface Failing {
  failures: number;
  /** Time of the last failure (monotonic). */
  since_ms: number;
}

const PAUSES: Pauses = { first_ms: DAEMON_BACKOFF_MS, most_ms: DAEMON_BACKOFF_MS_MAX };

/** Pauses between the failures of daemon pods: a second, doubled each time, at most 15 minutes. */
export class FailureBackoff {
  readonly #clock: Clock;
  readonly #failing = new Map<string, Failing>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How long the next failed pod of a key must stay yet. */
  wait_ms(key: string): number {
    const last = this.#failing.get(key);
    if (!last) return 0;
    const until_ms = last.since_ms + pauseAfter(last.failures, PAUSES);
    return Math.max(0, until_ms - this.#clock.monotonic());
  }

  /** A failed pod is deleted. Nodes without a failure for twice the longest pause are forgotten. */
  failed(key: string): void {
    const now_ms = this.#clock.monotonic();
    for (const [other, { since_ms }] of this.#failing) {
      if (now_ms - since_ms > 2 * DAEMON_BACKOFF_MS_MAX) this.#failing.delete(other);
    }
    const failures = (this.#failing.get(key)?.failures ?? 0) + 1;
    this.#failing.set(key, { failures, since_ms: now_ms });
  }
}
