import { randomUUID } from "node:crypto";
import { signToken } from "@raft2kube/pki/service-account-key.ts";
import { given } from "@raft2kube/std/given.ts";
import { serviceAccountName } from "./identities.ts";
import type { SigningKeys } from "./signing-keys.ts";
import { CLAIMS, type KubernetesClaims } from "./token-claims.ts";

/** This server as the issuer of service account tokens. */
export interface TokenIssuer {
  readonly issuer: string;
  /** This server's audiences, which are those of a token request without any. */
  readonly audiences: readonly string[];
  readonly keys: SigningKeys;
}

/** Signs a token for the account that `claims` name. */
export async function issueToken(
  { issuer, keys }: TokenIssuer,
  { namespace, node, pod, secret, serviceaccount }: KubernetesClaims,
  audiences: readonly string[],
  { now_ms, lifetime_s }: { now_ms: number; lifetime_s: number },
): Promise<{ token: string; expires_ms: number; id: string }> {
  const now_s = Math.floor(now_ms / 1000);
  const id = randomUUID();
  // In alphabetical order, as upstream's: two servers issue equal tokens.
  const claims = {
    aud: [...audiences],
    exp: now_s + lifetime_s,
    iat: now_s,
    iss: issuer,
    jti: id,
    [CLAIMS]: given({ namespace, node, pod, secret, serviceaccount }),
    nbf: now_s,
    sub: serviceAccountName(namespace, serviceaccount.name),
  };
  const token = await signToken(claims, keys.signer);
  return { token, expires_ms: claims.exp * 1000, id };
}
