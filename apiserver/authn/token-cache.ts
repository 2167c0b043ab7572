import { createHash } from "node:crypto";
import type { Clock } from "@raft2kube/std/clock.ts";
import { TOKEN_CACHE_ENTRIES_MAX } from "../limits.ts";
import type { TokenVerdict } from "./token-authority.ts";

/** Accepted tokens, by what was asked about them; bounded in number and in time. */
export class TokenCache {
  readonly #clock: Clock;
  readonly #known = new Map<string, { until_ms: number; verdict: TokenVerdict }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(token: string, audiences: readonly string[]): { verdict: TokenVerdict } | undefined {
    const key = keyOf(token, audiences);
    const known = this.#known.get(key);
    if (known !== undefined && known.until_ms > this.#clock.now()) return known;
    this.#known.delete(key);
    return undefined;
  }

  set(
    token: string, audiences: readonly string[], verdict: TokenVerdict, lifetime_ms: number,
  ): void {
    if (lifetime_ms <= 0) return;
    if (this.#known.size >= TOKEN_CACHE_ENTRIES_MAX) {
      this.#known.delete(this.#known.keys().next().value as string);
    }
    const until_ms = this.#clock.now() + lifetime_ms;
    this.#known.set(keyOf(token, audiences), { until_ms, verdict });
  }
}

/** No two inputs have one key: clients choose the audiences and part of the token. */
function keyOf(token: string, audiences: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify([token, ...audiences])).digest("base64");
}
