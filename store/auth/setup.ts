import type { Clock } from "@raft2kube/std/clock.ts";
import { TOKEN_TTL_MS } from "../limits.ts";
import type { JwtOptions } from "./jwt-options.ts";
import { jwtTokenProvider } from "./jwt-tokens.ts";
import { Passwords } from "./passwords.ts";
import {
  type AppliedWait,
  simpleTokenProvider,
  type TokenProvider,
  type TokenState,
} from "./tokens.ts";

/** How users sign in, once auth is turned on by AuthEnable. */
export interface AuthOptions {
  /** Signed tokens; without it simple ones, which the members remember. */
  jwt?: JwtOptions | undefined;
  /** How long an unused simple token is valid. */
  tokenTtl_ms?: number | undefined;
  /** The strength of password hashes. Default BCRYPT_COST_DEFAULT. */
  bcryptCost?: number | undefined;
  /** A client certificate's common name is a user, when the request has no token. */
  clientCertAuth?: boolean | undefined;
}

/** A member's own configuration for auth; users and roles are in the state. */
export interface AuthSetup {
  readonly tokens: TokenProvider;
  readonly passwords: Passwords;
  readonly clientCertAuth: boolean;
}

export function authSetup(
  options: AuthOptions,
  state: TokenState,
  applied: AppliedWait,
  clock: Clock,
): AuthSetup {
  state.tokens.ttl_ms = options.tokenTtl_ms ?? TOKEN_TTL_MS;
  return {
    tokens: options.jwt
      ? jwtTokenProvider(options.jwt, clock)
      : simpleTokenProvider(state, applied),
    passwords: new Passwords(options.bcryptCost),
    clientCertAuth: options.clientCertAuth ?? false,
  };
}
