import { type Clock, stopwatch } from "@raft2kube/std/clock.ts";
import type { JWTPayload } from "jose";
import { TOKEN_CACHE_ENTRIES_MAX, TOKEN_CACHE_MS } from "../limits.ts";
import type { AuthenticationMetrics } from "../metrics/access.ts";
import type { Resources } from "../resource/resources.ts";
import { AnswerCache } from "../webhook/answer-cache.ts";
import { boundHolder } from "./bound-tokens.ts";
import { isSignedBy, quoted, readJwt } from "./jwt/verify-jwt.ts";
import { LEGACY_ISSUER, legacyHolder, type RecordUsage } from "./legacy-tokens.ts";
import type { TokenAuthority, TokenVerdict } from "./token-authority.ts";
import type { TokenIssuer } from "./token-issuer.ts";

interface Parts extends TokenIssuer {
  readonly resources: Resources;
  readonly clock: Clock;
  readonly recordUsage: RecordUsage;
  readonly metrics: AuthenticationMetrics;
}

/**
 * The authority of service account tokens: signature, issuer, audience; then, by kind, times and
 * that what they are bound to lives.
 */
export function serviceAccountAuthority(parts: Parts): TokenAuthority {
  const { clock, metrics } = parts;
  const known = new AnswerCache<TokenVerdict>(clock, TOKEN_CACHE_ENTRIES_MAX);
  return {
    async verify(token, audiences) {
      const took_s = stopwatch(clock);
      const seen = known.get([token, audiences]);
      if (seen !== undefined) {
        metrics.tokenCache({ status: "hit" }, took_s());
        return seen.answer;
      }
      const verdict = await metrics.verifying(() => verdictOn(parts, token, audiences));
      metrics.tokenCache({ status: "miss" }, took_s());
      // Refused tokens are not cached (upstream): one may be accepted a moment later, and a flood
      // of them would evict the others.
      const isBelieved = verdict !== undefined && !("refused" in verdict);
      if (isBelieved) known.set([token, audiences], verdict, TOKEN_CACHE_MS);
      return verdict;
    },
  };
}

async function verdictOn(
  parts: Parts,
  token: string,
  audiences: readonly string[],
): Promise<TokenVerdict> {
  const { issuer, audiences: own, keys, metrics } = parts;
  const jwt = readJwt(token);
  const isLegacy = jwt?.claims["iss"] === LEGACY_ISSUER;
  if (jwt === undefined || (!isLegacy && jwt.claims["iss"] !== issuer)) return undefined;
  if (!(await isSignedBy(keys.verifiers, jwt))) {
    const { kid } = jwt.header;
    const isNamed = kid === undefined || keys.verifiers.some(({ id }) => id === kid);
    if (!isNamed) return { refused: "invalid signature, no keys found" };
    return { refused: "go-jose/go-jose: error in cryptographic primitive" };
  }
  const payload: JWTPayload = jwt.claims;
  const named = [payload.aud ?? []].flat();
  if (named.length === 0) metrics.legacyTokens.shown.add();
  // A token without an audience is for this server.
  const given = named.length === 0 ? own : named;
  const granted = given.filter((each) => audiences.includes(each));
  if (granted.length === 0) {
    const target = `the target audiences ${quoted(audiences)}`;
    return { refused: `token audiences ${quoted(given)} is invalid for ${target}` };
  }
  const holder = isLegacy
    ? await legacyHolder(parts, token, payload)
    : await boundHolder(parts, payload);
  if ("refused" in holder) return holder;
  if (!isLegacy) metrics.boundTokens.add();
  return { ...holder, audiences: granted };
}
