import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { AuthDisableResponse, AuthEnableResponse } from "@raft2kube/proto/gen/etcd.ts";
import { ROOT } from "../../auth/caller.ts";
import type { SignedIn, SignIn } from "../../auth/sign-in.ts";
import { header, type State } from "../state/state.ts";

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

/** Gives a user a token that all members know, named after the place of its entry in the log. */
export function signIn(state: State, { name, simpleToken }: SignIn): SignedIn {
  if (!state.auth.enabled) throw etcdError("authNotEnabled");
  const user = state.auth.user(name);
  if (!user || user.options?.noPassword === true) throw etcdError("authFailed");
  const token = simpleToken === "" ? "" : `${simpleToken}.${state.appliedIndex}`;
  if (token !== "") state.tokens.issue(token, name);
  return { header: header(state), token, authRevision: state.auth.revision };
}
