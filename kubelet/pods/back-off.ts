import type { Clock } from "@raft2kube/std/clock.ts";

interface Entry {
  delay_ms: number;
  /** Time of the last increase. */
  grown_ms: number;
}

/**
 * Exponential back-off by key, as upstream's flowcontrol.Backoff: none before the first retry, then
 * `first_ms` doubling up to `most_ms`; reset when the last failure is older than twice `most_ms`.
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

  /**
   * Returns the milliseconds left to wait after a failure at `failed_ms` (wall clock); 0: none. The
   * time of the failure decides whether the entry is stale, not the time of this call.
   */
  remaining(key: string, failed_ms: number): number {
    // lab:11 begin remaining
    const entry = this.#entries.get(key);
    if (!entry || this.#stale(entry, failed_ms)) return 0;
    // The clock may have been set back since the failure.
    return Math.min(entry.delay_ms, Math.max(0, failed_ms + entry.delay_ms - this.#clock.now()));
    // lab:11 end
  }

  /** Returns the current delay in milliseconds, for messages. */
  delayOf(key: string): number {
    return this.#entries.get(key)?.delay_ms ?? 0;
  }

  /** Increases the delay. Call it when retrying after a failure at `failed_ms`. */
  grow(key: string, failed_ms: number): void {
    // lab:11 begin grow
    const entry = this.#entries.get(key);
    const fresh = !entry || this.#stale(entry, failed_ms);
    const delay_ms = fresh ? this.#first_ms : Math.min(entry.delay_ms * 2, this.#most_ms);
    this.#entries.set(key, { delay_ms, grown_ms: this.#clock.now() });
    // lab:11 end
  }

  forget(key: string): void {
    this.#entries.delete(key);
  }

  /** Drops all keys with a prefix: those of a removed pod. */
  forgetAll(prefix: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.#entries.delete(key);
  }

  #stale(entry: Entry, failed_ms: number): boolean {
    return failed_ms - entry.grown_ms > 2 * this.#most_ms;
  }
}
