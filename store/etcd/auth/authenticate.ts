import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { AuthenticateRequest, AuthenticateResponse } from "@raft2kube/proto/gen/etcd.ts";
import { SIGN_IN_ATTEMPTS_MAX } from "../../limits.ts";
import { anonymous, type EtcdContext, proposeCommand, readBarrier } from "../request/context.ts";

/**
 * Auth.Authenticate: a password for a token. The password is checked here, where it takes its
 * time; if users or roles change before the sign-in is applied, it is checked again.
 */
export async function authenticate(
  context: EtcdContext,
  { name, password }: AuthenticateRequest,
): Promise<AuthenticateResponse> {
  await readBarrier(context);
  const { tokens } = context.auth;
  // The token that the request carries is ignored here.
  const unnamed = { ...context, identify: anonymous };
  for (let attempt = 1; attempt <= SIGN_IN_ATTEMPTS_MAX; attempt++) {
    const checkedAt = await checkPassword(context, name, password);
    const request = { name, simpleToken: tokens.secret() };
    const signedIn = await proposeCommand<"sign-in">(unnamed, { kind: "sign-in", request });
    if (signedIn.authRevision !== checkedAt) continue;
    return { header: signedIn.header, token: await tokens.issue(name, signedIn) };
  }
  throw etcdError("authOldRevision");
}

/** Resolves with the auth revision at which the password was the user's. */
async function checkPassword(
  { state, auth, client }: EtcdContext,
  name: string,
  password: string,
): Promise<number> {
  if (!state.auth.enabled) throw etcdError("authNotEnabled");
  const { revision } = state.auth;
  const user = state.auth.user(name);
  if (user?.options?.noPassword === true) throw etcdError("noPasswordUser");
  const matches = await auth.passwords.matches(password, user?.password, client);
  if (!matches) throw etcdError("authFailed");
  return revision;
}
