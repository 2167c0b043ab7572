import { unreachable } from "@raft2kube/std/assert.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { Backoff, type Pauses } from "./backoff.ts";
import type { ReportOutcome } from "./failure-log.ts";
import { RUNNER_RETRY_MS, RUNNER_RETRY_MS_MAX } from "./limits.ts";

export interface RunnerOptions {
  readonly clock: Clock;
  /**
   * One pass: observes everything, plans, applies. May return the milliseconds until the next pass
   * where that is not `max_ms`; Infinity: only when one is requested. `signal` aborts on `close`.
   */
  run(signal: AbortSignal): void | number | Promise<void | number>;
  /** Called after each pass, with its error or with nothing: a `failureLog`. */
  readonly report: ReportOutcome;
  /** Pause between a request and its pass, which collects the requests of a burst. Default 0. */
  readonly min_ms?: number;
  /** Longest time from the end of a pass to the next. Default: a pass follows requests only. */
  readonly max_ms?: number;
  /** Pauses after passes that failed. Default: a second, doubled up to `max_ms` or a minute. */
  readonly retry?: Pauses;
}

/**
 * - `idle`: nothing is due.
 * - `due`: a pass starts at `at_ms` (monotonic).
 * - `running`: one pass is under way; `again_ms` is the shortest pause that was requested since it
 *   started, Infinity when none was.
 * - `closed`: no further pass starts.
 */
type State =
  | { readonly kind: "idle" }
  | { readonly kind: "due"; readonly at_ms: number; readonly timer: Timer }
  | { readonly kind: "running"; again_ms: number }
  | { readonly kind: "closed" };

const IDLE: State = { kind: "idle" };
const CLOSED: State = { kind: "closed" };

/**
 * Runs passes of a level-triggered loop: one at a time, requests coalesced, at least every
 * `max_ms`, failed passes repeated with back-off. The contract is that of upstream's
 * BoundedFrequencyRunner (k8s.io/kubernetes/pkg/proxy/runner).
 *
 * ```
 * const sync = new Runner({
 *   clock, min_ms: 20, max_ms: 60_000,
 *   run: async () => apply(plan(await observe())),
 *   report: failureLog(log, "the rules are not applied"),
 * });
 * informer.handle({ added: () => sync.request(), deleted: () => sync.request() });
 * sync.request(0);      // the first pass starts now
 * await sync.close();   // waits for the pass that is under way
 * ```
 */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #retry: Pauses;
  readonly #backoff: Backoff;
  readonly #closing = new AbortController();
  #state: State = IDLE;
  /** The pass under way, or the last one. */
  #pass: Promise<void> = Promise.resolve();
  /** No pass starts before this time (monotonic): later than now only after a failure. */
  #soonest_ms = 0;

  constructor(options: RunnerOptions) {
    this.#options = options;
    const most_ms = Math.min(RUNNER_RETRY_MS_MAX, options.max_ms ?? Infinity);
    this.#retry = options.retry ?? { first_ms: RUNNER_RETRY_MS, most_ms };
    this.#backoff = new Backoff(this.#retry);
  }

  /**
   * Requests a pass that observes what is true from now on, in `after_ms` at the latest; an earlier
   * one that is due serves too. 0 starts it immediately, or right after the one under way. It
   * shortens the back-off after a failure, since the cause may be gone, but not below its first
   * pause.
   */
  request(after_ms: number = this.#options.min_ms ?? 0): void {
    const state = this.#state;
    switch (state.kind) {
      case "idle":
        return this.#startIn(this.#heldBack(after_ms));
      case "due": {
        const left_ms = this.#heldBack(after_ms);
        if (this.#options.clock.monotonic() + left_ms >= state.at_ms) return;
        state.timer.cancel();
        return this.#startIn(left_ms);
      }
      case "running":
        state.again_ms = Math.min(state.again_ms, after_ms);
        return;
      case "closed":
        return;
      default:
        return unreachable(state);
    }
  }

  /** Starts no further pass, aborts the one under way, and resolves when that has ended. */
  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#state.kind === "due") this.#state.timer.cancel();
    this.#state = CLOSED;
    await this.#pass;
  }

  /** Returns a delay that ends no earlier than the first pause after a failure. */
  #heldBack(after_ms: number): number {
    return Math.max(after_ms, this.#soonest_ms - this.#options.clock.monotonic());
  }

  #startIn(after_ms: number): void {
    const { clock } = this.#options;
    const start = () => {
      this.#pass = this.#run();
    };
    if (after_ms <= 0) return start();
    const at_ms = clock.monotonic() + after_ms;
    this.#state = { kind: "due", at_ms, timer: clock.after(after_ms, start) };
  }

  async #run(): Promise<void> {
    const running: State = { kind: "running", again_ms: Infinity };
    this.#state = running;
    const { run, report, max_ms, clock } = this.#options;
    let next_ms: number;
    try {
      next_ms = (await run(this.#closing.signal)) ?? max_ms ?? Infinity;
      this.#backoff.reset();
      report();
    } catch (thrown) {
      if (this.#state !== running) return; // closing may be what made it fail
      report(thrown);
      next_ms = this.#backoff.next();
      this.#soonest_ms = clock.monotonic() + this.#retry.first_ms;
    }
    if (this.#state !== running) return;
    this.#state = IDLE;
    const pause_ms = Math.min(next_ms, running.again_ms);
    if (pause_ms !== Infinity) this.request(pause_ms);
  }
}
