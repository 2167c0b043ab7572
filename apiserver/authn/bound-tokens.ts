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

type Parts = { readonly resources: Resources; readonly clock: Clock };

/**
 * Returns the user of a token of TokenRequest's, with a valid signature and audience. It expires,
 * and is invalid once the object that it is bound to is deleted.
 */
export async function boundHolder(parts: Parts, payload: JWTPayload): Promise<Holder> {
  const untimely = whyUntimely(payload, parts.clock.now());
  if (untimely !== undefined) return { refused: untimely };
  const claims = parseClaims(payload[CLAIMS]);
  if (claims === undefined) return { refused: "the claims of kubernetes.io are missing" };
  if (payload.sub !== serviceAccountName(claims.namespace, claims.serviceaccount.name)) {
    return { refused: "sub claim is invalid" };
  }
  const gone = await whyGone(parts, claims);
  return gone === undefined ? { user: userOf(claims, payload) } : { refused: gone };
}

function whyUntimely({ exp, nbf, iat }: JWTPayload, now_ms: number): string | undefined {
  if (nbf !== undefined && !(now_ms + TOKEN_LEEWAY_MS >= msOf(nbf))) {
    return "service account token is not valid yet";
  }
  if (exp === undefined || !(now_ms - TOKEN_LEEWAY_MS <= msOf(exp))) {
    return "service account token has expired";
  }
  if (iat !== undefined && !(now_ms + TOKEN_LEEWAY_MS >= msOf(iat))) {
    return "service account token is issued in the future";
  }
  return undefined;
}

/** The time of a claim: integers beyond 2^53 are bigints; NaN for what is no number. */
const msOf = (claim: unknown): number =>
  typeof claim === "number" || typeof claim === "bigint" ? Number(claim) * 1000 : NaN;

/** Returns which of the account and the bound objects no longer exists. */
async function whyGone(parts: Parts, claims: KubernetesClaims): Promise<string | undefined> {
  const { namespace, serviceaccount: account, pod, secret, node } = claims;
  const found = await find(parts, "serviceaccounts", namespace, account);
  if (found === undefined) return `serviceaccounts "${account.name}" not found`;
  const { uid } = found.metadata;
  if (uid !== account.uid) {
    return `service account UID (${uid}) does not match claim (${account.uid})`;
  }
  if (isDeleted(found, parts.clock.now())) {
    return `service account ${namespace}/${account.name} has been deleted`;
  }
  const because = secret && (await whyUnbound(parts, "secret", namespace, secret));
  if (because !== undefined) return because;
  if (pod) return await whyUnbound(parts, "pod", namespace, pod);
  return node && (await whyUnbound(parts, "node", "", node));
}

async function whyUnbound(
  parts: Parts,
  kind: "secret" | "pod" | "node",
  namespace: string,
  bound: BoundObject,
): Promise<string | undefined> {
  const found = await find(parts, `${kind}s`, namespace, bound);
  const uid = found?.metadata.uid;
  if (found !== undefined && uid !== bound.uid) {
    const said = `service account ${kind} ref claim (${bound.uid})`;
    return `${kind} UID (${uid}) does not match ${said}`;
  }
  if (found !== undefined && !isDeleted(found, parts.clock.now())) return undefined;
  return "service account token has been invalidated";
}

const find = ({ resources }: Parts, plural: string, namespace: string, { name }: BoundObject) =>
  resources.of("v1", plural).store.find<KubeObject>(namespace, name);

/** Whether an object is deleted: its token stays valid for a while, for its last actions. */
const isDeleted = ({ metadata: { deletionTimestamp } }: KubeObject, now_ms: number): boolean =>
  deletionTimestamp !== undefined && Date.parse(deletionTimestamp) < now_ms - TOKEN_LEEWAY_MS;

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
