import { logger } from "@raft2kube/observe/log.ts";
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

const log = logger("apiserver");

interface Parts {
  readonly clock: Clock;
  readonly metrics: JwtMetrics;
}

/**
 * The issuers of an AuthenticationConfiguration, each with its keys. A changed configuration
 * replaces them once all of its issuers have answered; until then, and if one does not, the last
 * ones stay (upstream's).
 */
export class JwtAuthority implements TokenAuthority {
  readonly #parts: Parts;
  #issuers: Issuers;

  constructor(config: Followed<AuthenticationConfig>, parts: Parts) {
    this.#parts = parts;
    this.#issuers = new Issuers(config.current, parts);
    config.onChange((next) => this.#replace(next));
  }

  async verify(token: string): Promise<TokenVerdict> {
    return await this.#issuers.verify(token);
  }

  async close(): Promise<void> {
    await this.#issuers.close();
  }

  async #replace(config: AuthenticationConfig): Promise<void> {
    const next = new Issuers(config, this.#parts);
    const isReady = next.ready().then(() => true);
    if (!(await resultWithin(this.#parts.clock, isReady, ISSUERS_READY_MS, () => false))) {
      await next.close();
      const why = `not all of its issuers answered within ${ISSUERS_READY_MS / 1_000} s`;
      throw new CodedError("ISSUER", why);
    }
    const last = this.#issuers;
    this.#issuers = next;
    await last.close();
  }
}

/** The issuers of one configuration, and the tokens of theirs that are known. */
class Issuers {
  readonly #parts: Parts;
  readonly #known: AnswerCache<TokenVerdict>;
  readonly #byUrl: ReadonlyMap<string, { issuer: JwtIssuer; keys: RemoteKeys }>;

  constructor({ issuers }: AuthenticationConfig, parts: Parts) {
    this.#parts = parts;
    this.#known = new AnswerCache(parts.clock, TOKEN_CACHE_ENTRIES_MAX);
    this.#byUrl = new Map(
      issuers.map((issuer) => {
        const { clock, metrics } = parts;
        const fetched = (ok: boolean) => metrics.fetchedKeys(issuer.url, ok, clock.now());
        return [issuer.url, { issuer, keys: new RemoteKeys(issuer, clock, fetched) }];
      }),
    );
  }

  async ready(): Promise<void> {
    await Promise.all([...this.#byUrl.values()].map(({ keys }) => keys.ready));
  }

  async verify(token: string): Promise<TokenVerdict> {
    const jwt = this.#byUrl.size === 0 ? undefined : readJwt(token);
    const found = jwt && this.#byUrl.get(String(jwt.claims["iss"]));
    if (jwt === undefined || found === undefined) return undefined;
    const known = this.#known.get([token]);
    if (known !== undefined) return known.answer;
    const { issuer, keys } = found;
    const { clock, metrics } = this.#parts;
    const took_s = stopwatch(clock);
    const verdict = await verdictOn(jwt, issuer, keys, clock.now());
    const isRefused = "refused" in verdict;
    metrics.verified(issuer.url, !isRefused, took_s());
    if (isRefused) {
      log.debug("a token was refused", { issuer: issuer.url, reason: verdict.refused });
    } else this.#known.set([token], verdict, TOKEN_CACHE_MS);
    return verdict;
  }

  async close(): Promise<void> {
    for (const { keys } of this.#byUrl.values()) await keys.close();
  }
}

async function verdictOn(jwt: Jwt, issuer: JwtIssuer, keys: RemoteKeys, now_ms: number) {
  const refused = await refusalOf(jwt, issuer, keys, now_ms);
  if (refused !== undefined) return { refused: `oidc: verify token: ${refused}` };
  return userOfClaims(issuer, jwt.claims);
}
