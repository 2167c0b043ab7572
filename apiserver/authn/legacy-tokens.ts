import { timingSafeEqual } from "node:crypto";
import type { Secret, ServiceAccount } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { type Clock, MS_PER_DAY } from "@raft2kube/std/clock.ts";
import type { JWTPayload } from "jose";
import type { AuthenticationMetrics } from "../metrics/access.ts";
import type { Resources } from "../resource/resources.ts";
import { parseServiceAccount, serviceAccountUser } from "./identities.ts";
import type { Holder } from "./token-authority.ts";

/** The issuer claim of tokens in Secrets. */
export const LEGACY_ISSUER = "kubernetes/serviceaccount";
const CLAIM = "kubernetes.io/serviceaccount/";
const LAST_USED = "kubernetes.io/legacy-token-last-used";
/** Label that upstream's legacy token cleaner sets on unused tokens. */
const INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since";

/** Warning to users of an auto-generated token. */
const GENERATED_WARNING =
  "Use tokens from the TokenRequest API or manually created secret-based tokens instead of " +
  "auto-generated secret-based tokens.";

type OwnSecret = Secret & KubeObject;
type Account = ServiceAccount & KubeObject;

/** Notes on a Secret the day that its token is used, by these labels. */
export type RecordUsage = (secret: KubeObject, labels: Record<string, string>) => Promise<void>;

type LegacyClaims = Readonly<
  Record<"namespace" | "secretName" | "serviceAccountName" | "serviceAccountUID", string>
>;

interface Parts {
  readonly resources: Resources;
  readonly clock: Clock;
  readonly recordUsage: RecordUsage;
  readonly metrics: AuthenticationMetrics;
}

/**
 * Returns the user of a token of a Secret, with a valid signature: it has no end, and lives as long
 * as the Secret. Its use is recorded once a day.
 */
export async function legacyHolder(
  parts: Parts,
  token: string,
  payload: JWTPayload,
): Promise<Holder> {
  const claims = readClaims(payload);
  if ("refused" in claims) return claims;
  const { namespace, secretName, serviceAccountName, serviceAccountUID } = claims;
  const { legacyTokens } = parts.metrics;
  const find = <T extends KubeObject>(plural: string, name: string) =>
    parts.resources.of("v1", plural).store.find<T>(namespace, name);
  const secret = await find<OwnSecret>("secrets", secretName);
  if (secret === undefined || secret.metadata.deletionTimestamp !== undefined) {
    return { refused: "Token has been invalidated" };
  }
  if (!holds(secret, token)) return { refused: "Token does not match server's copy" };
  const account = await find<Account>("serviceaccounts", serviceAccountName);
  const gone = whyGone(account, claims);
  if (account === undefined || gone !== undefined) return { refused: gone ?? "" };
  await note(parts, secret);
  if ((secret.metadata.labels?.[INVALID_SINCE] ?? "") !== "") {
    legacyTokens.invalid.add();
    return { refused: markedInvalid(claims) };
  }
  const isGenerated = account.secrets?.some(({ name }) => name === secretName) ?? false;
  legacyTokens[isGenerated ? "generated" : "manual"].add();
  const user = serviceAccountUser(namespace, serviceAccountName, serviceAccountUID);
  return { user, ...(isGenerated && { warnings: [GENERATED_WARNING] }) };
}

/** Records the day of a use. Tomorrow is today where another server's clock says so. */
async function note({ clock, recordUsage }: Parts, secret: OwnSecret): Promise<void> {
  const now_ms = clock.now();
  const [today, tomorrow] = [now_ms, now_ms + MS_PER_DAY].map(dayOf);
  const said = secret.metadata.labels?.[LAST_USED];
  if (said !== today && said !== tomorrow) await recordUsage(secret, { [LAST_USED]: today! });
}

const dayOf = (time_ms: number): string => new Date(time_ms).toISOString().slice(0, 10);

function readClaims({ sub, ...payload }: JWTPayload): LegacyClaims | { refused: string } {
  const claim = (name: string) => String(payload[`${CLAIM}${name}`] ?? "");
  const namespace = claim("namespace");
  const secretName = claim("secret.name");
  const serviceAccountName = claim("service-account.name");
  const serviceAccountUID = claim("service-account.uid");
  const texts = { sub, namespace, secretName, serviceAccountName, serviceAccountUID };
  const missing = Object.entries(texts).find(([, text]) => !text);
  if (!sub || missing) return { refused: `${missing?.[0]} claim is missing` };
  const subject = parseServiceAccount(sub);
  if (subject?.namespace !== namespace || subject.name !== serviceAccountName) {
    return { refused: "sub claim is invalid" };
  }
  return texts;
}

function holds({ data }: OwnSecret, token: string): boolean {
  const kept = Buffer.from(data?.["token"] ?? "", "base64");
  const given = Buffer.from(token);
  return kept.length === given.length && timingSafeEqual(kept, given);
}

function whyGone(
  found: Account | undefined,
  { namespace, serviceAccountName: account, serviceAccountUID: uid }: LegacyClaims,
): string | undefined {
  if (found === undefined) return `serviceaccounts "${account}" not found`;
  const { deletionTimestamp, uid: own } = found.metadata;
  if (deletionTimestamp !== undefined) {
    return `ServiceAccount ${namespace}/${account} has been deleted`;
  }
  return own === uid ? undefined : `ServiceAccount UID (${own}) does not match claim (${uid})`;
}

const markedInvalid = (claims: LegacyClaims): string =>
  `the token in secret ${claims.namespace}/${claims.secretName} for service account ` +
  `${claims.namespace}/${claims.serviceAccountName} has been marked invalid. Use tokens from the ` +
  "TokenRequest API or manually created secret-based tokens, or remove the " +
  `'${INVALID_SINCE}' label from the secret to temporarily allow use of this token`;
