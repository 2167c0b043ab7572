import type { KubeObject, RequestUser } from "@raft2kube/api/kind.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import type { JWTPayload } from "jose";
import { TOKEN_LEEWAY_MS } from "../limits.ts";
import type { Resources } from "../resource/resources.ts";
import { serviceAccountName, serviceAccountUser } from "./identities.ts";
import type { Holder } from "./token-authority.ts";
import { type BoundObject, CLAIMS, type KubernetesClaims, parseClaims } from "./token-claims.ts";

const EXTRA = "authentication.kubernetes.io";

/**
 * Tokens that expire, and are invalid once the object that they are bound to is deleted
 * (TokenRequest's).
 */
export class BoundTokens {
  readonly #resources: Resources;
  readonly #clock: Clock;

  constructor(resources: Resources, clock: Clock) {
    this.#resources = resources;
    this.#clock = clock;
  }

  /** Returns the user of a token with a valid signature and audience; checks its times. */
  async holderOf(payload: JWTPayload): Promise<Holder> {
    const untimely = this.#untimely(payload);
    if (untimely !== undefined) return { refused: untimely };
    const claims = parseClaims(payload[CLAIMS]);
    if (claims === undefined) return { refused: "the claims of kubernetes.io are missing" };
    if (payload.sub !== serviceAccountName(claims.namespace, claims.serviceaccount.name)) {
      return { refused: "sub claim is invalid" };
    }
    const gone = await this.#gone(claims);
    return gone === undefined ? { user: userOf(claims, payload) } : { refused: gone };
  }

  #untimely({ exp, nbf, iat }: JWTPayload): string | undefined {
    const now_ms = this.#clock.now();
    if (nbf !== undefined && now_ms + TOKEN_LEEWAY_MS < nbf * 1000) {
      return "service account token is not valid yet";
    }
    if (exp === undefined || now_ms - TOKEN_LEEWAY_MS > exp * 1000) {
      return "service account token has expired";
    }
    if (iat !== undefined && now_ms + TOKEN_LEEWAY_MS < iat * 1000) {
      return "service account token is issued in the future";
    }
    return undefined;
  }

  /** Returns which of the account and the bound objects no longer exists. */
  async #gone(claims: KubernetesClaims): Promise<string | undefined> {
    const { namespace, serviceaccount: account, pod, secret, node } = claims;
    const found = await this.#find("serviceaccounts", namespace, account);
    if (found === undefined) return `serviceaccounts "${account.name}" not found`;
    const { uid } = found.metadata;
    if (uid !== account.uid) {
      return `service account UID (${uid}) does not match claim (${account.uid})`;
    }
    if (this.#isDeleted(found)) {
      return `service account ${namespace}/${account.name} has been deleted`;
    }
    const because = secret && (await this.#unbound("secret", namespace, secret));
    if (because !== undefined) return because;
    if (pod) return await this.#unbound("pod", namespace, pod);
    return node && (await this.#unbound("node", "", node));
  }

  async #unbound(
    kind: "secret" | "pod" | "node",
    namespace: string,
    bound: BoundObject,
  ): Promise<string | undefined> {
    const found = await this.#find(`${kind}s`, namespace, bound);
    const uid = found?.metadata.uid;
    if (found !== undefined && uid !== bound.uid) {
      const said = `service account ${kind} ref claim (${bound.uid})`;
      return `${kind} UID (${uid}) does not match ${said}`;
    }
    if (found !== undefined && !this.#isDeleted(found)) return undefined;
    return "service account token has been invalidated";
  }

  #find(plural: string, namespace: string, bound: BoundObject): Promise<KubeObject | undefined> {
    return this.#resources.of("v1", plural).store.find<KubeObject>(namespace, bound.name);
  }

  /** Whether an object is deleted: its token stays valid for a while, for its last actions. */
  #isDeleted({ metadata: { deletionTimestamp } }: KubeObject): boolean {
    if (deletionTimestamp === undefined) return false;
    return Date.parse(deletionTimestamp) < this.#clock.now() - TOKEN_LEEWAY_MS;
  }
}

function userOf(claims: KubernetesClaims, payload: JWTPayload): RequestUser {
  const { namespace, serviceaccount, pod, node } = claims;
  const extra: Record<string, readonly string[]> = {};
  if (payload.jti !== undefined) extra[`${EXTRA}/credential-id`] = [`JTI=${payload.jti}`];
  for (const [kind, bound] of Object.entries(given({ pod, node }))) {
    extra[`${EXTRA}/${kind}-name`] = [bound.name];
    extra[`${EXTRA}/${kind}-uid`] = [bound.uid];
  }
  const { name, uid } = serviceaccount;
  return { ...serviceAccountUser(namespace, name, uid), extra };
}
