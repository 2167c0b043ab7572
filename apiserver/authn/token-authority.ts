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

/** Who knows whose a bearer token is. */
export interface TokenAuthority {
  /** Whose token it is. `audiences` default to this server's. */
  verify(token: string, audiences?: readonly string[]): Promise<TokenVerdict>;
}

/** Who a token's claims say that its holder is. */
export type Holder = Omit<VerifiedToken, "audiences"> | RefusedToken;
