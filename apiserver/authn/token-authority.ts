import type { RequestUser } from "@raft2kube/api/kind.ts";
import type { Owner } from "@raft2kube/std/shares.ts";

export interface VerifiedToken {
  user: RequestUser;
  /** The requested audiences that the token is valid for. */
  audiences: readonly string[];
  /** Warnings to the token's user. */
  warnings?: readonly string[];
}

/** A token that an authority knows, and does not believe. */
export type RefusedToken = { refused: string };

/** The result of a verification; undefined for a token of another issuer and for no token. */
export type TokenVerdict = VerifiedToken | RefusedToken | undefined;

/** An authenticator of bearer tokens. */
export interface TokenAuthority {
  /**
   * Verifies a token. `audiences` default to this server's; `asking` is who sent it, for those who
   * ask others.
   */
  verify(token: string, audiences?: readonly string[], asking?: Owner): Promise<TokenVerdict>;
}

/** The user in a token's claims. */
export type Holder = Omit<VerifiedToken, "audiences"> | RefusedToken;
