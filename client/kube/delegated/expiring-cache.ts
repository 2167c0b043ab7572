import type { Clock } from "@raft2kube/std/clock.ts";

/** Caches results for a while; failures are not cached. The oldest entry is dropped first. */
export class ExpiringCache<T> {
  readonly #clock: Clock;
  readonly #ttl_ms: number;
  readonly #most: number;
  readonly #entries = new Map<string, { value: Promise<T>; until_ms: number }>();

  constructor(options: { clock: Clock; ttl_ms: number; most: number }) {
    this.#clock = options.clock;
    this.#ttl_ms = options.ttl_ms;
    this.#most = options.most;
  }

  get(key: string, ask: () => Promise<T>): Promise<T> {
    const now_ms = this.#clock.monotonic();
    const cached = this.#entries.get(key);
    if (cached && now_ms < cached.until_ms) return cached.value;
    const value = ask();
    const entry = { value, until_ms: now_ms + this.#ttl_ms };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#most && oldest !== undefined) this.#entries.delete(oldest);
    value.catch(() => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
    });
    return value;
  }
}
