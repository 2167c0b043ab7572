import type { Clock } from "@raft2kube/std/clock.ts";

interface Entry {
  delay_ms: number;
  /** When the delay last grew. */
  grown_ms: number;
}

/**
 * Growing pauses by key, as upstream's flowcontrol.Backoff: none before the first retry, then from
 * `first_ms` doubling to `most_ms`; forgotten when the last failure lies two of the longest back.
 */
export class BackOffs {
  readonly #clock: Clock;
  readonly #first_ms: number;
  readonly #most_ms: number;
  readonly #entries = new Map<string, Entry>();

  constructor(options: { clock: Clock; first_ms: number; most_ms: number }) {
    this.#clock = options.clock;
    this.#first_ms = options.first_ms;
    this.#most_ms = options.most_ms;
  }

  /** Milliseconds still to wait after a failure at `failed_ms` (wall clock); 0: try now. */
  remaining(key: string, failed_ms: number): number {
    const entry = this.#entries.get(key);
    if (!entry || this.#stale(entry, failed_ms)) return 0;
    return Math.max(0, failed_ms + entry.delay_ms - this.#clock.now());
  }

  /** The pause in force, for messages. */
  delayOf(key: string): number {
    return this.#entries.get(key)?.delay_ms ?? 0;
  }

  /** A retry is made now, after a failure at `failed_ms`: the next pause is longer. */
  grow(key: string, failed_ms: number): void {
    const entry = this.#entries.get(key);
    const fresh = !entry || this.#stale(entry, failed_ms);
    const delay_ms = fresh ? this.#first_ms : Math.min(entry.delay_ms * 2, this.#most_ms);
    this.#entries.set(key, { delay_ms, grown_ms: this.#clock.now() });
  }

  forget(key: string): void {
    this.#entries.delete(key);
  }

  /** Forgets all keys that begin so: a pod that is gone. */
  forgetAll(prefix: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.#entries.delete(key);
  }

  #stale(entry: Entry, failed_ms: number): boolean {
    return failed_ms - entry.grown_ms > 2 * this.#most_ms;
  }
}
