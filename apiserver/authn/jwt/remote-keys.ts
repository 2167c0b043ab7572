import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { isObject } from "@raft2kube/apimachinery/json/json.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import {
  ISSUER_BYTES_MAX,
  ISSUER_KEYS_AGAIN_MS,
  ISSUER_KEYS_MAX,
  ISSUER_RETRY_MS,
  ISSUER_TIMEOUT_MS,
} from "../../limits.ts";
import { RemoteServer } from "../../webhook/remote.ts";
import type { JwtIssuer } from "./config.ts";

const log = logger("apiserver");

/** A public key of an issuer of tokens, this server or another. */
export interface TokenKey {
  readonly id: string | undefined;
  /** The one algorithm that it is for, where the issuer says so. */
  readonly algorithm: string | undefined;
  readonly key: KeyObject;
}

/** The error of an issuer that could not be asked, or whose documents make no sense. */
const issuerError = (message: string) => new CodedError("ISSUER", message);

/**
 * The keys of one issuer, from its discovery document (OpenID Connect Discovery 1.0): looked for
 * until it answers, and again when none of them has signed a token: an issuer may give a new key
 * no name, or that of the old one. One look serves all that wait; between two passes
 * ISSUER_KEYS_AGAIN_MS, so that tokens cannot make it ask more.
 */
export class RemoteKeys {
  readonly #issuer: Pick<JwtIssuer, "url" | "discoveryURL">;
  readonly #server: RemoteServer;
  readonly #clock: Clock;
  readonly #finding: Runner;
  readonly #ready = Promise.withResolvers<void>();
  /** Resolves once keys are known; never rejects. */
  readonly ready: Promise<void> = this.#ready.promise;
  readonly #ending = new AbortController();
  readonly #fetched: (ok: boolean) => void;
  #keysUrl: string | undefined;
  /** The keys; undefined while the issuer has not answered. */
  known: readonly TokenKey[] | undefined;
  #looking: Promise<void> | undefined;
  #lookedAt_ms = -Infinity;

  /** `fetched` is called after each look for keys. */
  constructor(issuer: JwtIssuer, clock: Clock, fetched: (ok: boolean) => void) {
    this.#issuer = issuer;
    this.#clock = clock;
    this.#fetched = fetched;
    const { url, certificateAuthority: ca } = issuer;
    this.#server = new RemoteServer(given({ url, ca }), clock);
    this.#finding = new Runner({
      clock,
      retry: { first_ms: ISSUER_RETRY_MS, most_ms: ISSUER_RETRY_MS },
      run: () => this.#find(),
      report: failureLog(log, `the keys of the issuer ${url} are not known`),
    });
    this.#finding.request(0);
  }

  /** The keys that came after these; undefined when there are none, or it is too early to ask. */
  async newerThan(keys: readonly TokenKey[]): Promise<readonly TokenKey[] | undefined> {
    if (this.known === keys) await this.#lookAgain();
    return this.known === keys ? undefined : this.known;
  }

  async close(): Promise<void> {
    this.#ending.abort();
    this.#server.close();
    await this.#finding.close();
  }

  /** Looks for keys unless that was done a moment ago; the keys that are known stay if it fails. */
  async #lookAgain(): Promise<void> {
    const since_ms = this.#clock.monotonic() - this.#lookedAt_ms;
    if (this.#looking === undefined && since_ms < ISSUER_KEYS_AGAIN_MS) return;
    this.#looking ??= this.#look()
      .catch((thrown: unknown) => {
        const about = { issuer: this.#issuer.url, reason: messageOf(thrown) };
        log.warn("an issuer's keys were not read again", about);
      })
      .finally(() => {
        this.#looking = undefined;
        this.#lookedAt_ms = this.#clock.monotonic();
      });
    await this.#looking;
  }

  async #find(): Promise<void> {
    const { url, discoveryURL } = this.#issuer;
    const wellKnown = `${url.replace(/\/$/, "")}/.well-known/openid-configuration`;
    const found = await this.#document(discoveryURL || wellKnown);
    if (found["issuer"] !== url) {
      const names = JSON.stringify(found["issuer"]);
      throw issuerError(`issuer did not match: expected ${JSON.stringify(url)} got ${names}`);
    }
    const keys = found["jwks_uri"];
    if (typeof keys !== "string" || !keys.startsWith("https://") || !URL.canParse(keys)) {
      throw issuerError("its jwks_uri is no https URL");
    }
    this.#keysUrl = keys;
    await this.#look();
    this.#ready.resolve();
  }

  async #look(): Promise<void> {
    let ok = false;
    try {
      const { keys } = await this.#document(this.#keysUrl!);
      if (!Array.isArray(keys)) throw issuerError("its key set has no keys");
      this.known = keys.slice(0, ISSUER_KEYS_MAX).flatMap(keyOf);
      ok = true;
    } finally {
      this.#fetched(ok);
    }
  }

  async #document(url: string): Promise<Record<string, unknown>> {
    const { status, body } = await this.#server.get(url, {
      timeout_ms: ISSUER_TIMEOUT_MS,
      bytes_max: ISSUER_BYTES_MAX,
      signal: this.#ending.signal,
    });
    if (status !== 200) throw issuerError(`${url} answered ${status}`);
    const value: unknown = JSON.parse(body.toString("utf8"));
    if (!isObject(value)) throw issuerError(`${url} did not answer with a JSON object`);
    return value;
  }
}

/** A public key for signatures; keys of other kinds are passed over. A symmetric one is none. */
function keyOf(value: unknown): TokenKey[] {
  if (!isObject(value)) return [];
  const { kty, use, kid, alg } = value;
  if ((kty !== "RSA" && kty !== "EC") || (use !== undefined && use !== "sig")) return [];
  try {
    const key = createPublicKey({ key: value as JsonWebKey, format: "jwk" });
    const textOf = (each: unknown) => (typeof each === "string" ? each : undefined);
    return [{ id: textOf(kid), algorithm: textOf(alg), key }];
  } catch (thrown) {
    log.warn("a key of an issuer cannot be read", { kid: String(kid), reason: messageOf(thrown) });
    return [];
  }
}
