import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { decodeJwt, errors, type JWTPayload } from "jose";
import { TOKEN_CACHE_ENTRIES_MAX, TOKEN_CACHE_MS } from "../limits.ts";
import type { AuthenticationMetrics } from "../metrics/access.ts";
import type { Resources } from "../resource/resources.ts";
import { AnswerCache } from "../webhook/answer-cache.ts";
import { BoundTokens } from "./bound-tokens.ts";
import { LEGACY_ISSUER, LegacyTokens, type RecordUsage } from "./legacy-tokens.ts";
import { type SigningKeys, verifySignature } from "./signing-keys.ts";
import type {
  RefusedToken,
  TokenAuthority,
  TokenVerdict,
  VerifiedToken,
} from "./token-authority.ts";

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

  async verify(token: string, audiences = this.#parts.audiences): Promise<TokenVerdict> {
    const { clock, metrics } = this.#parts;
    const from_ms = clock.monotonic();
    const took_s = () => (clock.monotonic() - from_ms) / 1_000;
    const known = this.#known.get([token, audiences]);
    if (known !== undefined) {
      metrics.tokenCache.add("hit", took_s());
      return known.answer;
    }
    const verdict = await this.#verifyUncached(token, audiences);
    metrics.tokenCache.add("miss", took_s());
    // Refused tokens are not cached (upstream): one may be accepted a moment later, and a flood of
    // them would evict the others.
    if (verdict === undefined || "refused" in verdict) return verdict;
    this.#known.set([token, audiences], verdict, TOKEN_CACHE_MS);
    return verdict;
  }

  async #verifyUncached(token: string, audiences: readonly string[]): Promise<TokenVerdict> {
    const ended = this.#parts.metrics.verifyToken();
    let verdict: TokenVerdict;
    try {
      return (verdict = await this.#verify(token, audiences));
    } finally {
      ended(verdict !== undefined && !("refused" in verdict));
    }
  }

  async #verify(token: string, audiences: readonly string[]): Promise<TokenVerdict> {
    const issuer = issuerOf(token);
    const isLegacy = issuer === LEGACY_ISSUER;
    if (!isLegacy && issuer !== this.#parts.issuer) return undefined;
    const verdict = await this.#verifyOwn(token, audiences, isLegacy);
    if ("refused" in verdict) log.debug("a token was refused", { reason: verdict.refused });
    return verdict;
  }

  async #verifyOwn(
    token: string,
    audiences: readonly string[],
    isLegacy: boolean,
  ): Promise<VerifiedToken | RefusedToken> {
    const payload = await verifySignature(this.#parts.keys.verifiers, token);
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
}

/** The issuer that an unverified token names; undefined when it is no token of this form. */
function issuerOf(token: string): string | undefined {
  try {
    const { iss }: JWTPayload = decodeJwt(token);
    return iss;
  } catch (thrown) {
    // Another issuer's token, such as a bootstrap token.
    if (thrown instanceof errors.JOSEError) return undefined;
    throw thrown;
  }
}

const quoted = (texts: readonly string[]): string =>
  `[${texts.map((each) => JSON.stringify(each)).join(" ")}]`;
