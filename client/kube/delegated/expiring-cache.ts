import type { Clock } from "@raft2kube/std/clock.ts";
import { RecentMap } from "@raft2kube/std/recent-map.ts";
import { REFUSAL_CACHE_MS, REVIEWS_AT_ONCE_MAX } from "../limits.ts";
import { HttpError } from "./http-error.ts";

/**
 * Caches results for a while, refusals (false, undefined) for `REFUSAL_CACHE_MS` at most; failures
 * are not cached. The oldest entry is dropped first. Questions are bounded, for anyone may send
 * what leads to one: `get` rejects with HttpError 429 above `REVIEWS_AT_ONCE_MAX`.
 */
export class ExpiringCache<T> {
  readonly #clock: Clock;
  readonly #ttl_ms: number;
  readonly #entries: RecentMap<string, { value: Promise<T>; until_ms: number }>;
  #asking = 0;

  constructor(options: { clock: Clock; ttl_ms: number; most: number }) {
    this.#clock = options.clock;
    this.#ttl_ms = options.ttl_ms;
    this.#entries = new RecentMap(options.most);
  }

  get(key: string, ask: () => Promise<T>): Promise<T> {
    const now_ms = this.#clock.monotonic();
    const cached = this.#entries.get(key);
    if (cached && now_ms < cached.until_ms) return cached.value;
    if (this.#asking >= REVIEWS_AT_ONCE_MAX) {
      return Promise.reject(new HttpError(429, "Too Many Requests"));
    }
    const value = this.#ask(ask);
    const entry = { value, until_ms: Infinity };
    this.#entries.set(key, entry);
    value.then(
      (granted) => {
        const ttl_ms = granted ? this.#ttl_ms : Math.min(this.#ttl_ms, REFUSAL_CACHE_MS);
        entry.until_ms = this.#clock.monotonic() + ttl_ms;
      },
      () => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
      },
    );
    return value;
  }

  async #ask(ask: () => Promise<T>): Promise<T> {
    this.#asking++;
    try {
      return await ask();
    } finally {
      this.#asking--;
    }
  }
}
