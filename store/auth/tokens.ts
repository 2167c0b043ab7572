import { randomInt } from "node:crypto";
import type { AuthTable } from "./auth-table.ts";
import type { Caller } from "./caller.ts";
import type { SignedIn } from "./sign-in.ts";
import type { SimpleTokens } from "./simple-tokens.ts";

/** How tokens are made and read: `--auth-token`. */
export interface TokenProvider {
  /** The token secret that a sign-in carries through the log; may be empty. */
  secret(): string;
  /** The token of a sign-in that was applied. */
  issue(user: string, signedIn: SignedIn): Promise<string>;
  /** Returns the user of a token; undefined when the token is not, or no longer, valid. */
  caller(token: string): Promise<Caller | undefined>;
}

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const SECRET_LETTERS = 16;

/** The part of the replicated state that tokens are looked up in. */
export interface TokenState {
  readonly auth: AuthTable;
  readonly tokens: SimpleTokens;
  readonly appliedIndex: number;
}

/** Waits until this member has applied an entry; false when that takes too long. */
export type AppliedWait = (index: number) => Promise<boolean>;

/** Random tokens that every member remembers, as `--auth-token simple`. */
export function simpleTokenProvider(state: TokenState, applied: AppliedWait): TokenProvider {
  return {
    // From the system's random generator: a predictable token would let anyone sign in.
    secret: () =>
      Array.from({ length: SECRET_LETTERS }, () => LETTERS[randomInt(LETTERS.length)]).join(""),
    issue: (_user, { token }) => Promise.resolve(token),
    async caller(token) {
      const user = state.tokens.use(token) ?? (await whenApplied(token));
      return user === undefined ? undefined : { user, revision: state.auth.revision };
    },
  };

  /** The entry that made it may not have come here yet: the token says which one it is. */
  async function whenApplied(token: string): Promise<string | undefined> {
    const index = /^[^.]*\.([0-9]{1,16})$/.exec(token)?.[1];
    if (index === undefined || Number(index) <= state.appliedIndex) return undefined;
    return (await applied(Number(index))) ? state.tokens.use(token) : undefined;
  }
}
