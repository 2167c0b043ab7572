import { logger } from "@raft2kube/observe/log.ts";
import { type Clock, stopwatch } from "@raft2kube/std/clock.ts";
import type { JWTPayload } from "jose";
import { TOKEN_CACHE_ENTRIES_MAX, TOKEN_CACHE_MS } from "../limits.ts";
import type { AuthenticationMetrics } from "../metrics/access.ts";
import type { Resources } from "../resource/resources.ts";
import { AnswerCache } from "../webhook/answer-cache.ts";
import { BoundTokens } from "./bound-tokens.ts";
import { headerOf, quoted, signedBy, untrustedIssuer } from "./jwt/verify-jwt.ts";
import { LEGACY_ISSUER, LegacyTokens, type RecordUsage } from "./legacy-tokens.ts";
import type { SigningKeys } from "./signing-keys.ts";
import type { RefusedToken, TokenAuthority, TokenVerdict } from "./token-authority.ts";

const log = logger("apiserver");

interface VerifierParts {
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly keys: SigningKeys;
  readonly resources: Resources;
  readonly clock: Clock;
  readonly recordUsage: RecordUsage;
  readonly metrics: AuthenticationMetrics;
}

/**
 * Verifies service account tokens: signature, issuer, audience; then, by kind, times and that what
 * they are bound to lives.
 */
export class TokenVerifier implements TokenAuthority {
  readonly #parts: VerifierParts;
  readonly #bound: BoundTokens;
  readonly #legacy: LegacyTokens;
  readonly #known: AnswerCache<TokenVerdict>;

  constructor(parts: VerifierParts) {
    this.#parts = parts;
    this.#known = new AnswerCache(parts.clock, TOKEN_CACHE_ENTRIES_MAX);
    this.#bound = new BoundTokens(parts.resources, parts.clock);
    this.#legacy = new LegacyTokens(parts);
  }

  async verify(token: string, audiences: readonly string[]): Promise<TokenVerdict> {
    const { clock, metrics } = this.#parts;
    const took_s = stopwatch(clock);
    const known = this.#known.get([token, audiences]);
    if (known !== undefined) {
      metrics.tokenCache({ status: "hit" }, took_s());
      return known.answer;
    }
    const verdict = await metrics.verifying(() => this.#verify(token, audiences));
    metrics.tokenCache({ status: "miss" }, took_s());
    // Refused tokens are not cached (upstream): one may be accepted a moment later, and a flood of
    // them would evict the others.
    if (verdict === undefined) return undefined;
    if ("refused" in verdict) log.debug("a token was refused", { reason: verdict.refused });
    else this.#known.set([token, audiences], verdict, TOKEN_CACHE_MS);
    return verdict;
  }

  async #verify(token: string, audiences: readonly string[]): Promise<TokenVerdict> {
    const issuer = untrustedIssuer(token);
    const isLegacy = issuer === LEGACY_ISSUER;
    if (!isLegacy && issuer !== this.#parts.issuer) return undefined;
    const payload = await this.#signed(token);
    if ("refused" in payload) return payload as RefusedToken;
    const own = [payload.aud ?? []].flat();
    if (own.length === 0) this.#parts.metrics.legacyTokens.shown.add();
    // A token without an audience is for this server.
    const given = own.length === 0 ? this.#parts.audiences : own;
    const granted = given.filter((each) => audiences.includes(each));
    if (granted.length === 0) {
      const target = `the target audiences ${quoted(audiences)}`;
      return { refused: `token audiences ${quoted(given)} is invalid for ${target}` };
    }
    const holder = isLegacy
      ? await this.#legacy.holderOf(token, payload)
      : await this.#bound.holderOf(payload);
    if ("refused" in holder) return holder;
    if (!isLegacy) this.#parts.metrics.boundTokens.add();
    return { ...holder, audiences: granted };
  }

  /** The claims of a token that one of this server's keys signed. */
  async #signed(token: string): Promise<JWTPayload | RefusedToken> {
    const { verifiers } = this.#parts.keys;
    const header = headerOf(token);
    if (header === undefined) return { refused: "the token's header cannot be read" };
    const payload = await signedBy(verifiers, token, header);
    if (payload !== undefined) return JSON.parse(payload.toString("utf8")) as JWTPayload;
    const isNamed = header.kid === undefined || verifiers.some(({ id }) => id === header.kid);
    if (!isNamed) return { refused: "invalid signature, no keys found" };
    return { refused: "go-jose/go-jose: error in cryptographic primitive" };
  }
}
