import type { Followed } from "@raft2kube/reconcile/followed-file.ts";
import { type Clock, stopwatch } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { resultWithin } from "@raft2kube/std/wait.ts";
import { ISSUERS_READY_MS, TOKEN_CACHE_ENTRIES_MAX, TOKEN_CACHE_MS } from "../../limits.ts";
import type { JwtMetrics } from "../../metrics/jwt.ts";
import { AnswerCache } from "../../webhook/answer-cache.ts";
import type { TokenAuthority, TokenVerdict } from "../token-authority.ts";
import type { AuthenticationConfig, JwtIssuer } from "./config.ts";
import { userOfClaims } from "./jwt-user.ts";
import { RemoteKeys } from "./remote-keys.ts";
import { type Jwt, readJwt, refusalOf } from "./verify-jwt.ts";

type Parts = { readonly clock: Clock; readonly metrics: JwtMetrics };

export interface JwtAuthority extends TokenAuthority {
  verify(token: string): Promise<TokenVerdict>;
  close(): Promise<void>;
}

/** The issuers of one configuration, and the tokens of theirs that are known. */
interface Issuers extends JwtAuthority {
  /** Resolves once all have answered. */
  ready(): Promise<unknown>;
}

/**
 * The issuers of an AuthenticationConfiguration, each with its keys. A changed configuration
 * replaces them once all of its issuers have answered; until then, and if one does not, the last
 * ones stay (upstream's).
 */
export function jwtAuthority(config: Followed<AuthenticationConfig>, parts: Parts): JwtAuthority {
  let issuers = issuersOf(config.current, parts);
  config.onChange(async (changed) => {
    const next = issuersOf(changed, parts);
    const isReady = next.ready().then(() => true);
    if (!(await resultWithin(parts.clock, isReady, ISSUERS_READY_MS, () => false))) {
      await next.close();
      const why = `not all of its issuers answered within ${ISSUERS_READY_MS / 1_000} s`;
      throw new CodedError("ISSUER", why);
    }
    const last = issuers;
    issuers = next;
    await last.close();
  });
  return { verify: (token) => issuers.verify(token), close: () => issuers.close() };
}

function issuersOf({ issuers }: AuthenticationConfig, { clock, metrics }: Parts): Issuers {
  const known = new AnswerCache<TokenVerdict>(clock, TOKEN_CACHE_ENTRIES_MAX);
  const all = issuers.map((issuer) => {
    const fetched = (ok: boolean) => metrics.fetchedKeys(issuer.url, ok, clock.now());
    return { issuer, keys: new RemoteKeys(issuer, clock, fetched) };
  });
  return {
    ready: () => Promise.all(all.map(({ keys }) => keys.ready)),
    async verify(token) {
      const jwt = all.length === 0 ? undefined : readJwt(token);
      const found = jwt && all.find(({ issuer }) => issuer.url === jwt.claims["iss"]);
      if (jwt === undefined || found === undefined) return undefined;
      const seen = known.get([token]);
      if (seen !== undefined) return seen.answer;
      const { issuer, keys } = found;
      const took_s = stopwatch(clock);
      const verdict = await verdictOn(jwt, issuer, keys, clock.now());
      const isRefused = "refused" in verdict;
      metrics.verified(issuer.url, !isRefused, took_s());
      if (!isRefused) known.set([token], verdict, TOKEN_CACHE_MS);
      return verdict;
    },
    async close() {
      for (const { keys } of all) await keys.close();
    },
  };
}

async function verdictOn(jwt: Jwt, issuer: JwtIssuer, keys: RemoteKeys, now_ms: number) {
  const refused = await refusalOf(jwt, issuer, keys, now_ms);
  if (refused !== undefined) return { refused: `oidc: verify token: ${refused}` };
  return userOfClaims(issuer, jwt.claims);
}
