import type { RequestUser } from "@raft2kube/api/kind.ts";

export interface VerifiedToken {
  user: RequestUser;
  /** Those of the token's audiences that were asked for. */
  audiences: readonly string[];
  /** What whoever uses the token is told. */
  warnings?: readonly string[];
}

/** A token that an authority knows, and does not believe. */
export interface RefusedToken {
  refused: string;
}

/** undefined is a token of somebody else's, or none at all. */
export type TokenVerdict = VerifiedToken | RefusedToken | undefined;

/** An authenticator of bearer tokens. */
export interface TokenAuthority {
  /** Whose token it is. `audiences` default to this server's. */
  verify(token: string, audiences?: readonly string[]): Promise<TokenVerdict>;
}

/** The user in a token's claims. */
export type Holder = Omit<VerifiedToken, "audiences"> | RefusedToken;
