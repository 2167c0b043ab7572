import type { RequestUser } from "@raft2kube/api/kind.ts";
import type { Owner } from "@raft2kube/std/shares.ts";

/** The user that a token stands for. */
export interface Believed {
  user: RequestUser;
  /** Warnings to the token's user. */
  warnings?: readonly string[];
}

/** A token that an authority knows, and does not believe. */
export type RefusedToken = { refused: string };

export type Holder = Believed | RefusedToken;

export interface VerifiedToken extends Believed {
  /** The requested audiences that the token is valid for. */
  audiences: readonly string[];
}

/**
 * The result of a verification; undefined for a token of another issuer and for no token. Of an
 * authority that knows of no audiences the token is good for this server's.
 */
export type TokenVerdict = Holder | VerifiedToken | undefined;

/** An authenticator of bearer tokens. */
export interface TokenAuthority {
  /** Verifies a token; `asking` is who sent it, for those who ask others. */
  verify(token: string, audiences: readonly string[], asking: Owner): Promise<TokenVerdict>;
}
