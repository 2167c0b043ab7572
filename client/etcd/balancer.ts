import { type Pauses, pauseAfter } from "@raft2kube/reconcile/backoff.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { ENDPOINT_REST_MS, ENDPOINT_REST_MS_MAX } from "./limits.ts";

const RESTS: Pauses = { first_ms: ENDPOINT_REST_MS, most_ms: ENDPOINT_REST_MS_MAX };

interface EndpointState {
  /** Failures since the last success. */
  failures: number;
  /** Time until which the endpoint is not used, unless all others rest as well. */
  restsUntil_ms: number;
}

/**
 * Which of several endpoints the next call goes to. One that failed rests, the longer the more
 * often, and is asked again after that; with `spread` the others take turns, without it calls stay
 * with one until it fails.
 */
export class Balancer {
  readonly #clock: Clock;
  readonly #spread: boolean;
  readonly #states: EndpointState[];
  #current = 0;

  constructor(count: number, clock: Clock, spread: boolean) {
    this.#clock = clock;
    this.#spread = spread;
    this.#states = Array.from({ length: count }, () => ({ failures: 0, restsUntil_ms: 0 }));
  }

  /** The endpoint for a call that has been to those in `tried`, in vain; undefined when to all. */
  pick(tried: ReadonlySet<number>): number | undefined {
    const count = this.#states.length;
    const order = Array.from({ length: count }, (_, i) => (this.#current + i) % count);
    const left = order.filter((at) => !tried.has(at));
    const now_ms = this.#clock.monotonic();
    const chosen = left.find((at) => this.#states[at]!.restsUntil_ms <= now_ms) ?? left[0];
    if (chosen === undefined) return undefined;
    this.#current = this.#spread ? (chosen + 1) % count : chosen;
    return chosen;
  }

  succeeded(at: number): void {
    const state = this.#states[at]!;
    state.failures = 0;
    state.restsUntil_ms = 0;
  }

  failed(at: number): void {
    const state = this.#states[at]!;
    state.restsUntil_ms = this.#clock.monotonic() + pauseAfter(++state.failures, RESTS);
    if (at === this.#current) this.#current = (at + 1) % this.#states.length;
  }
}
