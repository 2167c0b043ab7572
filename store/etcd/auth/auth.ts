import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import {
  type AuthMethods,
  type AuthRoleGetRequest,
  type AuthRoleGetResponse,
  type AuthRoleListResponse,
  type AuthStatusResponse,
  type AuthUserGetRequest,
  type AuthUserGetResponse,
  type AuthUserListResponse,
  type Permission,
  Permission_Type,
} from "@raft2kube/proto/gen/etcd.ts";
import type { Unary } from "@raft2kube/proto/service.ts";
import { isAdmin } from "../../auth/authorize.ts";
import { ROOT } from "../../auth/caller.ts";
import type { AuthCommandKind } from "../../mvcc/apply/apply-auth.ts";
import type { Command } from "../../mvcc/apply/command.ts";
import type { Responses } from "../../mvcc/apply/responses.ts";
import { header } from "../../mvcc/state/state.ts";
import { requireAdmin } from "../request/caller.ts";
import { type EtcdContext, proposeCommand, readBarrier } from "../request/context.ts";
import type { Verb } from "../request/verb.ts";
import { authenticate } from "./authenticate.ts";
import { userAdd } from "./user-add.ts";
import { userChangePassword } from "./user-change-password.ts";

type VerbOf<M> = M extends Unary<infer Q, infer R> ? Verb<Q, Promise<R>> : never;

/** A verb that is a command as received: its right is checked when the command is applied. */
function command<K extends AuthCommandKind>(kind: K) {
  const run = (context: EtcdContext, request: RequestOf<K>): Promise<Responses[K]> =>
    proposeCommand<K>(context, { kind, request } as never);
  return { run, right: "applied" } as const;
}

type RequestOf<K extends AuthCommandKind> = Extract<Command, { kind: K }>["request"];

const always = () => true;

/** The Auth service, verb by verb. */
export const AUTH_VERBS: { readonly [M in keyof AuthMethods]: VerbOf<AuthMethods[M]> } = {
  authEnable: command("auth-enable"),
  authDisable: command("auth-disable"),
  authStatus: { run: authStatus, right: "admin", linearizable: always },
  authenticate: { run: authenticate, right: "none" },
  userAdd: { run: userAdd, right: "admin" },
  userGet: { run: userGet, right: "own" },
  userList: { run: userList, right: "admin", linearizable: always },
  userDelete: command("user-delete"),
  userChangePassword: { run: userChangePassword, right: "admin" },
  userGrantRole: command("user-grant-role"),
  userRevokeRole: command("user-revoke-role"),
  roleAdd: command("role-add"),
  roleGet: { run: roleGet, right: "own" },
  roleList: { run: roleList, right: "admin", linearizable: always },
  roleDelete: command("role-delete"),
  roleGrantPermission: command("role-grant-permission"),
  roleRevokePermission: command("role-revoke-permission"),
};

async function authStatus(context: EtcdContext): Promise<AuthStatusResponse> {
  const { enabled, revision: authRevision } = context.state.auth;
  return { header: header(context.state), enabled, authRevision };
}

/** Auth.UserGet: every user may read their own entry. */
async function userGet(
  context: EtcdContext,
  { name }: AuthUserGetRequest,
): Promise<AuthUserGetResponse> {
  await readBarrier(context);
  const { state } = context;
  const caller = state.auth.enabled ? await context.identify() : undefined;
  if (!isAdmin(state.auth, caller) && caller?.user !== name) await requireAdmin(context);
  const user = state.auth.user(name);
  if (!user) throw etcdError("userNotFound");
  return { header: header(state), roles: user.roles };
}

async function userList(context: EtcdContext): Promise<AuthUserListResponse> {
  const { state } = context;
  return { header: header(state), users: state.auth.users().map(({ name }) => name.toString()) };
}

/** Auth.RoleGet: allowed for users with the role. The role root shows a right for all keys. */
async function roleGet(
  context: EtcdContext,
  { role: name }: AuthRoleGetRequest,
): Promise<AuthRoleGetResponse> {
  await readBarrier(context);
  const { state } = context;
  const caller = state.auth.enabled ? await context.identify() : undefined;
  const owns = caller !== undefined && state.auth.user(caller.user)?.roles.includes(name);
  if (!isAdmin(state.auth, caller) && !owns) await requireAdmin(context);
  const role = state.auth.role(name);
  if (!role) throw etcdError("roleNotFound");
  return { header: header(state), perm: name === ROOT ? [EVERYTHING] : role.keyPermission };
}

const EVERYTHING: Permission = {
  permType: Permission_Type.READWRITE,
  key: Buffer.alloc(0),
  rangeEnd: Buffer.alloc(1),
};

async function roleList(context: EtcdContext): Promise<AuthRoleListResponse> {
  const { state } = context;
  return { header: header(state), roles: state.auth.roles().map(({ name }) => name.toString()) };
}
