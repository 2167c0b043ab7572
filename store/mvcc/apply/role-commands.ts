import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type {
  AuthRoleAddRequest,
  AuthRoleAddResponse,
  AuthRoleDeleteRequest,
  AuthRoleDeleteResponse,
  AuthRoleGrantPermissionRequest,
  AuthRoleGrantPermissionResponse,
  AuthRoleRevokePermissionRequest,
  AuthRoleRevokePermissionResponse,
  Permission,
  Role,
} from "@raft2kube/proto/gen/etcd.ts";
import { ROOT } from "../../auth/caller.ts";
import { isPermissionRange } from "../../auth/permissions.ts";
import { header, type State } from "../state/state.ts";

export function roleAdd(state: State, { name }: AuthRoleAddRequest): AuthRoleAddResponse {
  if (name === "") throw etcdError("roleEmpty");
  if (state.auth.role(name)) throw etcdError("roleExists");
  state.auth.putRole({ name: Buffer.from(name), keyPermission: [] });
  state.auth.commit();
  return { header: header(state) };
}

/** Removes a role, from the users that have it too. */
export function roleDelete(state: State, { role }: AuthRoleDeleteRequest): AuthRoleDeleteResponse {
  if (state.auth.enabled && role === ROOT) throw etcdError("invalidAuthManagement");
  existing(state, role);
  state.auth.removeRole(role);
  for (const user of state.auth.users()) {
    if (!user.roles.includes(role)) continue;
    state.auth.putUser({ ...user, roles: user.roles.filter((each) => each !== role) });
  }
  state.auth.commit();
  return { header: header(state) };
}

/** Adds a permission, or changes the type of the one for the same keys. */
export function roleGrantPermission(
  state: State,
  { name, perm }: AuthRoleGrantPermissionRequest,
): AuthRoleGrantPermissionResponse {
  if (!perm) throw etcdError("permissionNotGiven");
  if (!isPermissionRange(perm)) throw etcdError("invalidAuthManagement");
  const role = existing(state, name);
  state.auth.putRole({ ...role, keyPermission: withPermission(role.keyPermission, perm) });
  state.auth.commit();
  return { header: header(state) };
}

export function roleRevokePermission(
  state: State,
  request: AuthRoleRevokePermissionRequest,
): AuthRoleRevokePermissionResponse {
  const role = existing(state, request.role);
  const keyPermission = role.keyPermission.filter((each) => !isOfSameKeys(each, request));
  if (keyPermission.length === role.keyPermission.length) throw etcdError("permissionNotGranted");
  state.auth.putRole({ ...role, keyPermission });
  state.auth.commit();
  return { header: header(state) };
}

/**
 * Adds a permission, in order of their keys. As in etcd, only the first permission with the same
 * key is compared: one for another range from that key on is added a second time, and both apply.
 */
function withPermission(permissions: Permission[], perm: Permission): Permission[] {
  const at = permissions.findIndex(({ key }) => Buffer.compare(key, perm.key) >= 0);
  const first = permissions[at];
  if (first && isOfSameKeys(first, perm)) {
    return permissions.with(at, { ...first, permType: perm.permType });
  }
  return [...permissions, perm].sort((a, b) => Buffer.compare(a.key, b.key));
}

type Keys = Pick<Permission, "key" | "rangeEnd">;

function isOfSameKeys(a: Keys, b: Keys): boolean {
  return a.key.equals(b.key) && a.rangeEnd.equals(b.rangeEnd);
}

function existing(state: State, name: string): Role {
  const role = state.auth.role(name);
  if (!role) throw etcdError("roleNotFound");
  return role;
}
