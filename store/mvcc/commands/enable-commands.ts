import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { MessageType } from "@raft2kube/proto/codec.ts";
import type {
  AuthDisableResponse,
  AuthEnableResponse,
  ResponseHeader,
} from "@raft2kube/proto/gen/etcd.ts";
import { type State, header } from "../state.ts";
import { ROOT } from "../../auth/caller.ts";

/** Turns auth on, which takes a user root that has the role root. No revision, as etcd. */
export function authEnable(state: State): AuthEnableResponse {
  if (!state.auth.enabled) {
    const root = state.auth.user(ROOT);
    if (!root) throw etcdError("rootUserMissing");
    if (!root.roles.includes(ROOT)) throw etcdError("rootRoleMissing");
    state.auth.setEnabled(true);
  }
  return { header: header(state) };
}

export function authDisable(state: State): AuthDisableResponse {
  if (state.auth.enabled) {
    state.auth.setEnabled(false);
    state.auth.commit();
    state.tokens.clear();
  }
  return { header: header(state) };
}

/**
 * etcdserverpb.InternalAuthenticateRequest without its password, which stays out of the log: it
 * was checked before.
 */
export interface SignIn {
  name: string;
  /** Random, made by the proposer; empty where tokens are not this kind. */
  simpleToken: string;
}
export const SignIn: MessageType<SignIn> = new MessageType("r2k.SignIn", () => [
  { id: 1, name: "name", type: "string" },
  { id: 3, name: "simpleToken", type: "string" },
]);

/** What a sign-in came to. */
export interface SignedIn {
  header: ResponseHeader;
  /** Empty where tokens are not simple ones. */
  token: string;
  authRevision: number;
}

/** Gives a user a token that all members know, named after the place of its entry in the log. */
export function signIn(state: State, { name, simpleToken }: SignIn): SignedIn {
  if (!state.auth.enabled) throw etcdError("authNotEnabled");
  const user = state.auth.user(name);
  if (!user || user.options?.noPassword === true) throw etcdError("authFailed");
  const token = simpleToken === "" ? "" : `${simpleToken}.${state.appliedIndex}`;
  if (token !== "") state.tokens.issue(token, name);
  return { header: header(state), token, authRevision: state.auth.revision };
}
