import { createHash } from "node:crypto";
import { errors, jwtVerify, type JWTPayload } from "jose";
import type { KubeObject, RequestUser } from "@raft2kube/api/kind.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { TOKEN_CACHE_ENTRIES_MAX, TOKEN_CACHE_MS } from "../limits.ts";
import type { AuthenticationFigures } from "../figures/access.ts";
import type { Registry } from "../registry/registry.ts";
import { serviceAccountGroups, serviceAccountName } from "./identities.ts";
import type { SigningKeys } from "./signing-keys.ts";
import { type BoundObject, CLAIMS, type KubernetesClaims, parseClaims } from "./token-claims.ts";

const log = logger("apiserver");

export interface VerifiedToken {
  user: RequestUser;
  /** Those of the token's audiences that were asked for. */
  audiences: string[];
}

/** Who knows whose a bearer token is. */
export interface TokenAuthority {
  /**
   * Whose token it is; undefined when it is not to be believed. `audiences` default to this
   * server's.
   */
  verify(token: string, audiences?: readonly string[]): Promise<VerifiedToken | undefined>;
}

/**
 * A deleted pod's token holds this much longer, so that its last acts succeed (upstream's 60 s).
 */
const DELETED_POD_GRACE_MS = 60_000;

const EXTRA = "authentication.kubernetes.io";

/**
 * Verifies service account tokens: signature, issuer, times, audience, and that what they are bound
 * to lives.
 */
export class TokenVerifier implements TokenAuthority {
  readonly #issuer: string;
  readonly #audiences: readonly string[];
  readonly #keys: SigningKeys;
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #figures: AuthenticationFigures;
  readonly #known = new Map<string, { until_ms: number; token: VerifiedToken }>();

  constructor(init: {
    issuer: string;
    audiences: readonly string[];
    keys: SigningKeys;
    registry: Registry;
    clock: Clock;
    figures: AuthenticationFigures;
  }) {
    this.#issuer = init.issuer;
    this.#audiences = init.audiences;
    this.#keys = init.keys;
    this.#registry = init.registry;
    this.#clock = init.clock;
    this.#figures = init.figures;
  }

  async verify(token: string, audiences = this.#audiences): Promise<VerifiedToken | undefined> {
    const from_ms = performance.now();
    const took_s = () => (performance.now() - from_ms) / 1_000;
    // No two questions may look alike: who asks chooses the audiences, and part of the token.
    const question = JSON.stringify([token, ...audiences]);
    const digest = createHash("sha256").update(question).digest("base64");
    const known = this.#known.get(digest);
    if (known && known.until_ms > this.#clock.now()) {
      this.#figures.lookedForToken("hit", took_s());
      return known.token;
    }
    this.#known.delete(digest);
    const verified = await this.#verifyAnew(token, audiences);
    this.#figures.lookedForToken("miss", took_s());
    // What nobody vouches for is not kept (upstream): a flood of it would drive out the others.
    if (verified === undefined) return undefined;
    if (this.#known.size >= TOKEN_CACHE_ENTRIES_MAX) {
      this.#known.delete(this.#known.keys().next().value as string);
    }
    this.#known.set(digest, { until_ms: this.#clock.now() + TOKEN_CACHE_MS, token: verified });
    return verified;
  }

  async #verifyAnew(
    token: string,
    audiences: readonly string[],
  ): Promise<VerifiedToken | undefined> {
    const ended = this.#figures.verifyToken();
    let verified: VerifiedToken | undefined;
    try {
      return (verified = await this.#verify(token, audiences));
    } finally {
      ended(verified !== undefined);
    }
  }

  async #verify(token: string, audiences: readonly string[]): Promise<VerifiedToken | undefined> {
    const payload = await this.#payload(token, audiences);
    const claims = payload && parseClaims(payload[CLAIMS]);
    if (payload === undefined || claims === undefined) return undefined;
    const { namespace, serviceaccount } = claims;
    if (payload.sub !== serviceAccountName(namespace, serviceaccount.name)) return undefined;
    if (!(await this.#alive(claims))) return undefined;
    const granted = [payload.aud ?? []].flat().filter((each) => audiences.includes(each));
    return { user: userOf(claims, payload), audiences: granted };
  }

  async #payload(token: string, audiences: readonly string[]): Promise<JWTPayload | undefined> {
    try {
      const { payload } = await jwtVerify(
        token,
        (header) => {
          const match = this.#keys.verifiers.find((each) => each.id === header.kid);
          if (match === undefined || match.algorithm !== header.alg) {
            throw new errors.JWSSignatureVerificationFailed("no key of this id and algorithm");
          }
          return match.key;
        },
        {
          issuer: this.#issuer,
          audience: [...audiences],
          requiredClaims: ["exp", "sub"],
          currentDate: new Date(this.#clock.now()),
        },
      );
      return payload;
    } catch (thrown) {
      if (!(thrown instanceof errors.JOSEError)) throw thrown;
      log.debug("a token was refused", { reason: thrown.message });
      return undefined;
    }
  }

  async #alive(claims: KubernetesClaims): Promise<boolean> {
    const { namespace, serviceaccount, pod, secret, node } = claims;
    if (!(await this.#lives("serviceaccounts", namespace, serviceaccount))) return false;
    if (secret && !(await this.#lives("secrets", namespace, secret))) return false;
    if (pod) return await this.#lives("pods", namespace, pod);
    return node === undefined || (await this.#lives("nodes", "", node));
  }

  async #lives(resource: string, namespace: string, bound: BoundObject): Promise<boolean> {
    const { store } = this.#registry.of("v1", resource);
    const object = await store.find<KubeObject>(namespace, bound.name);
    if (object === undefined || object.metadata.uid !== bound.uid) return false;
    const { deletionTimestamp } = object.metadata;
    if (deletionTimestamp === undefined) return true;
    return Date.parse(deletionTimestamp) + DELETED_POD_GRACE_MS > this.#clock.now();
  }
}

function userOf(claims: KubernetesClaims, payload: JWTPayload): RequestUser {
  const { namespace, serviceaccount, pod, node } = claims;
  const extra: Record<string, readonly string[]> = {};
  if (payload.jti !== undefined) extra[`${EXTRA}/credential-id`] = [`JTI=${payload.jti}`];
  if (pod) {
    extra[`${EXTRA}/pod-name`] = [pod.name];
    extra[`${EXTRA}/pod-uid`] = [pod.uid];
  }
  if (node) {
    extra[`${EXTRA}/node-name`] = [node.name];
    extra[`${EXTRA}/node-uid`] = [node.uid];
  }
  return {
    name: serviceAccountName(namespace, serviceaccount.name),
    uid: serviceaccount.uid,
    groups: serviceAccountGroups(namespace),
    extra,
  };
}
