import { createHmac } from "node:crypto";
import type { ConfigMap, Secret } from "@raft2kube/api/gen/core/v1.ts";
import { readToken } from "@raft2kube/client-kube/object/bootstrap-token.ts";
import { expiresAt_ms } from "../tokencleaner/plan.ts";

const CONTENT = "kubeconfig";
const SIGNATURE = "jws-kubeconfig-";
const NAME = /^bootstrap-token-([a-z0-9]{6})$/;

/**
 * The data of `cluster-info` with a signature of its kubeconfig for each token that may sign, and
 * no others; undefined when it is so already, or when there is no kubeconfig.
 */
export function signedData(
  { data = {} }: ConfigMap,
  secrets: readonly Secret[],
  now_ms: number,
): Record<string, string> | undefined {
  const content = data[CONTENT];
  if (content === undefined) return undefined;
  const rest = Object.entries(data).filter(([key]) => !key.startsWith(SIGNATURE));
  const signatures = secrets.flatMap((secret) => {
    const token = signingToken(secret, now_ms);
    return token ? [[`${SIGNATURE}${token.id}`, detachedSignature(content, token)] as const] : [];
  });
  const signed = Object.fromEntries([...rest, ...signatures]);
  const keys = Object.keys(signed);
  const same =
    keys.length === Object.keys(data).length && keys.every((key) => signed[key] === data[key]);
  return same ? undefined : signed;
}

/** Time at which the first token that signs now expires; undefined when none does. */
export function nextEnd_ms(secrets: readonly Secret[], now_ms: number): number | undefined {
  const ends = secrets
    .filter((secret) => signingToken(secret, now_ms) !== undefined)
    .flatMap((secret) => expiresAt_ms(secret) ?? []);
  return ends.length === 0 ? undefined : Math.min(...ends);
}

type SigningToken = { id: string; secret: string };

/** The token of a Secret whose name has its id, that has not expired, and that is for signing. */
export function signingToken(secret: Secret, now_ms: number): SigningToken | undefined {
  const named = NAME.exec(secret.metadata.name ?? "")?.[1];
  const token = readToken(secret);
  if (named === undefined || named !== token.id || token.secret === "") return undefined;
  const end_ms = expiresAt_ms(secret);
  if (end_ms !== undefined && end_ms <= now_ms) return undefined;
  return token.usages.includes("signing") ? token : undefined;
}

/** A JWS in compact form whose payload is left out (RFC 7515, appendix F). */
export function detachedSignature(content: string, { id, secret }: SigningToken): string {
  const head = base64url(JSON.stringify({ alg: "HS256", kid: id }));
  const signed = createHmac("sha256", secret).update(`${head}.${base64url(content)}`);
  return `${head}..${signed.digest("base64url")}`;
}

const base64url = (text: string): string => Buffer.from(text).toString("base64url");
