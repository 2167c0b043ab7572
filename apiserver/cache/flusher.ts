import { timed } from "@raft2kube/observe/timed.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { FLUSH_INTERVAL_MS, FLUSH_SLICE_MS } from "../limits.ts";

/** A channel that is sent in steps, so that it does not block the event loop. */
export interface Flushable {
  /** Sends waiting events, a part at each step. Events that come meanwhile are the next flush's. */
  flush(): Iterable<void>;
}

/**
 * Sends events to watchers: immediately when nothing was sent for FLUSH_INTERVAL_MS, else at the
 * end of that interval, so that under load one write to a watcher carries several events. A long
 * flush yields every FLUSH_SLICE_MS.
 */
export class Flusher {
  readonly #clock: Clock;
  #waiting = new Set<Flushable>();
  #scheduled = false;
  #ended_ms = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `which` has something to send. */
  mark(which: Flushable): void {
    this.#waiting.add(which);
    if (this.#scheduled) return;
    this.#scheduled = true;
    const since_ms = this.#clock.monotonic() - this.#ended_ms;
    if (since_ms >= FLUSH_INTERVAL_MS) setImmediate(() => this.#run());
    else this.#clock.after(FLUSH_INTERVAL_MS - since_ms, () => this.#run());
  }

  #run(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    this.#continue(stepsOf(waiting));
  }

  #continue(steps: Iterator<void>): void {
    const done = timed("watch: send", () => runSlice(this.#clock, steps));
    if (done) this.#end();
    else setImmediate(() => this.#continue(steps));
  }

  #end(): void {
    this.#ended_ms = this.#clock.monotonic();
    this.#scheduled = false;
    const [next] = this.#waiting;
    if (next) this.mark(next);
  }
}

/** Goes on for FLUSH_SLICE_MS; true when nothing is left. */
function runSlice(clock: Clock, steps: Iterator<void>): boolean {
  const until_ms = clock.monotonic() + FLUSH_SLICE_MS;
  do {
    if (steps.next().done) return true;
  } while (clock.monotonic() < until_ms);
  return false;
}

function* stepsOf(waiting: Iterable<Flushable>): Generator<void> {
  for (const which of waiting) yield* which.flush();
}
