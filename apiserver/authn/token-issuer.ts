import { randomUUID } from "node:crypto";
import { signToken } from "@raft2kube/pki/service-account-key.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { serviceAccountName } from "./identities.ts";
import type { SigningKeys } from "./signing-keys.ts";
import { CLAIMS, type KubernetesClaims } from "./token-claims.ts";

/** Signs service account tokens. */
export class TokenIssuer {
  readonly issuer: string;
  /** The audiences of a token request without any. */
  readonly audiences: readonly string[];
  readonly keys: SigningKeys;
  readonly #clock: Clock;

  constructor(init: {
    issuer: string;
    audiences: readonly string[];
    keys: SigningKeys;
    clock: Clock;
  }) {
    this.issuer = init.issuer;
    this.audiences = init.audiences;
    this.keys = init.keys;
    this.#clock = init.clock;
  }

  /** A token for the account that `claims` name, valid for `lifetime_s` from now. */
  async issue(
    claims: KubernetesClaims,
    audiences: readonly string[],
    lifetime_s: number,
  ): Promise<{ token: string; expires_ms: number; id: string }> {
    const now_s = Math.floor(this.#clock.now() / 1000);
    const { signer } = this.keys;
    const id = randomUUID();
    const subject = serviceAccountName(claims.namespace, claims.serviceaccount.name);
    const { namespace, node, pod, secret, serviceaccount } = claims;
    // In alphabetical order, as upstream's: two servers issue equal tokens.
    const token = await signToken(
      {
        aud: [...audiences],
        exp: now_s + lifetime_s,
        iat: now_s,
        iss: this.issuer,
        jti: id,
        [CLAIMS]: given({ namespace, node, pod, secret, serviceaccount }),
        nbf: now_s,
        sub: subject,
      },
      signer,
    );
    return { token, expires_ms: (now_s + lifetime_s) * 1000, id };
  }
}
