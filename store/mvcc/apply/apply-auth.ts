import { unreachable } from "@raft2kube/std/assert.ts";
import type { State } from "../state/state.ts";
import type { Command } from "./command.ts";
import { authDisable, authEnable, signIn } from "./enable-commands.ts";
import type { Responses } from "./responses.ts";
import { roleAdd, roleDelete, roleGrantPermission, roleRevokePermission } from "./role-commands.ts";
import {
  userAdd,
  userChangePassword,
  userDelete,
  userGrantRole,
  userRevokeRole,
} from "./user-commands.ts";

const KINDS = [
  "auth-enable",
  "auth-disable",
  "sign-in",
  "user-add",
  "user-delete",
  "user-change-password",
  "user-grant-role",
  "user-revoke-role",
  "role-add",
  "role-delete",
  "role-grant-permission",
  "role-revoke-permission",
] as const;

/** The kinds of commands about users and roles. */
export type AuthCommandKind = (typeof KINDS)[number];
type AuthCommand = Extract<Command, { kind: AuthCommandKind }>;

const AUTH_KINDS: ReadonlySet<string> = new Set(KINDS);

export function isAuthCommand(command: Command): command is AuthCommand {
  return AUTH_KINDS.has(command.kind);
}

/** Applies a command about users and roles. */
export function applyAuth(state: State, command: AuthCommand): Responses[AuthCommandKind] {
  switch (command.kind) {
    case "auth-enable":
      return authEnable(state);
    case "auth-disable":
      return authDisable(state);
    case "sign-in":
      return signIn(state, command.request);
    case "user-add":
      return userAdd(state, command.request);
    case "user-delete":
      return userDelete(state, command.request);
    case "user-change-password":
      return userChangePassword(state, command.request);
    case "user-grant-role":
      return userGrantRole(state, command.request);
    case "user-revoke-role":
      return userRevokeRole(state, command.request);
    case "role-add":
      return roleAdd(state, command.request);
    case "role-delete":
      return roleDelete(state, command.request);
    case "role-grant-permission":
      return roleGrantPermission(state, command.request);
    case "role-revoke-permission":
      return roleRevokePermission(state, command.request);
    default:
      return unreachable(command, "command");
  }
}
