import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type {
  AuthUserAddRequest,
  AuthUserAddResponse,
  AuthUserChangePasswordRequest,
  AuthUserChangePasswordResponse,
  AuthUserDeleteRequest,
  AuthUserDeleteResponse,
  AuthUserGrantRoleRequest,
  AuthUserGrantRoleResponse,
  AuthUserRevokeRoleRequest,
  AuthUserRevokeRoleResponse,
  User,
} from "@raft2kube/proto/gen/etcd.ts";
import { ROOT } from "../../auth/caller.ts";
import { header, type State } from "../state/state.ts";

/** Makes a user. Its password was hashed before the request went into the log. */
export function userAdd(state: State, request: AuthUserAddRequest): AuthUserAddResponse {
  const { name, hashedPassword } = request;
  if (name === "") throw etcdError("userEmpty");
  if (state.auth.user(name)) throw etcdError("userExists");
  const options = request.options ?? { noPassword: false };
  const password = options.noPassword ? NO_HASH : decodeHash(hashedPassword);
  state.auth.putUser({ name: Buffer.from(name), password, roles: [], options });
  state.auth.commit();
  return { header: header(state) };
}

export function userDelete(state: State, { name }: AuthUserDeleteRequest): AuthUserDeleteResponse {
  if (state.auth.enabled && name === ROOT) throw etcdError("invalidAuthManagement");
  existing(state, name);
  state.auth.removeUser(name);
  state.auth.commit();
  state.tokens.forgetUser(name);
  return { header: header(state) };
}

/** One without a password keeps having none. */
export function userChangePassword(
  state: State,
  { name, hashedPassword }: AuthUserChangePasswordRequest,
): AuthUserChangePasswordResponse {
  const user = existing(state, name);
  const password = user.options?.noPassword === true ? NO_HASH : decodeHash(hashedPassword);
  state.auth.putUser({ ...user, password });
  state.auth.commit();
  state.tokens.forgetUser(name);
  return { header: header(state) };
}

/** A role given twice changes nothing, not even the auth revision. */
export function userGrantRole(
  state: State,
  { user: name, role }: AuthUserGrantRoleRequest,
): AuthUserGrantRoleResponse {
  const user = existing(state, name);
  if (role !== ROOT && !state.auth.role(role)) throw etcdError("roleNotFound");
  if (!user.roles.includes(role)) {
    state.auth.putUser({ ...user, roles: inByteOrder([...user.roles, role]) });
    state.auth.commit();
  }
  return { header: header(state) };
}

export function userRevokeRole(
  state: State,
  { name, role }: AuthUserRevokeRoleRequest,
): AuthUserRevokeRoleResponse {
  if (state.auth.enabled && name === ROOT && role === ROOT) {
    throw etcdError("invalidAuthManagement");
  }
  const user = existing(state, name);
  const roles = user.roles.filter((each) => each !== role);
  if (roles.length === user.roles.length) throw etcdError("roleNotGranted");
  state.auth.putUser({ ...user, roles });
  state.auth.commit();
  return { header: header(state) };
}

const NO_HASH = Buffer.alloc(0);

function existing(state: State, name: string): User {
  const user = state.auth.user(name);
  if (!user) throw etcdError("userNotFound");
  return user;
}

/** Go's base64 takes no stray characters, where Node's leaves them out. */
function decodeHash(text: string): Buffer {
  const hash = Buffer.from(text, "base64");
  if (hash.toString("base64") !== text) throw etcdError("noPasswordUser");
  return hash;
}

function inByteOrder(names: string[]): string[] {
  return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}
