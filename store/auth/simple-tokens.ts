import type { Clock } from "@raft2kube/std/clock.ts";
import { RecentMap } from "@raft2kube/std/recent-map.ts";
import { SIMPLE_TOKENS_MAX, TOKEN_TTL_MS } from "../limits.ts";

type IssuedToken = { user: string; expires_ms: number };

/**
 * The tokens in use and whose they are. Each member learns of them from the log and keeps them in
 * memory, so a member that has restarted knows none; when they end is by this member's clock
 * and no part of the replicated state. Every use renews the whole time of a token.
 */
export class SimpleTokens {
  readonly #clock: Clock;
  /** Tokens in the order of their last use, which is the order in which they expire. */
  readonly #tokens = new RecentMap<string, IssuedToken>(SIMPLE_TOKENS_MAX);
  /** How long an unused token holds. */
  ttl_ms = TOKEN_TTL_MS;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  issue(token: string, user: string): void {
    this.#forgetExpired();
    this.#renew(token, user);
  }

  /** Returns the user of a token, and renews it. */
  use(token: string): string | undefined {
    const issued = this.#tokens.get(token);
    if (!issued) return undefined;
    if (issued.expires_ms <= this.#clock.monotonic()) {
      this.#tokens.delete(token);
      return undefined;
    }
    this.#renew(token, issued.user);
    return issued.user;
  }

  /** A user is gone or has another password: its tokens hold no longer. */
  forgetUser(user: string): void {
    for (const [token, issued] of this.#tokens) {
      if (issued.user === user) this.#tokens.delete(token);
    }
  }

  clear(): void {
    this.#tokens.clear();
  }

  #renew(token: string, user: string): void {
    this.#tokens.set(token, { user, expires_ms: this.#clock.monotonic() + this.ttl_ms });
  }

  #forgetExpired(): void {
    const now_ms = this.#clock.monotonic();
    for (const [token, { expires_ms }] of this.#tokens) {
      if (expires_ms > now_ms) return;
      this.#tokens.delete(token);
    }
  }
}
