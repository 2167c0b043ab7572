import { assert } from "@raft2kube/std/assert.ts";
import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import type {
  AuthDisableResponse,
  AuthEnableResponse,
  AuthRoleAddResponse,
  AuthRoleDeleteResponse,
  AuthRoleGrantPermissionResponse,
  AuthRoleRevokePermissionResponse,
  AuthUserAddResponse,
  AuthUserChangePasswordResponse,
  AuthUserDeleteResponse,
  AuthUserGrantRoleResponse,
  AuthUserRevokeRoleResponse,
  AlarmResponse,
  CompactionResponse,
  DeleteRangeResponse,
  LeaseCheckpointResponse,
  LeaseGrantResponse,
  LeaseRevokeResponse,
  PutResponse,
  ResponseHeader,
  TxnResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import { applyAuth } from "./commands/apply-auth.ts";
import { checkCommandAllowed } from "./commands/check-command.ts";
import type { SignedIn } from "./commands/enable-commands.ts";
import { alarm, refuseAlarmed } from "./commands/alarm-command.ts";
import { type Command, type CommandKind, decodeCommand } from "./command.ts";
import { compact } from "./commands/compact.ts";
import { deleteRange } from "./kv/delete-range.ts";
import { downgradeSet } from "./commands/downgrade.ts";
import { leaseCheckpoint, leaseGrant, leaseRevoke } from "./commands/lease-commands.ts";
import {
  type MemberChanged,
  memberAdd,
  memberPromote,
  memberPublish,
  memberRemove,
  memberUpdate,
} from "./commands/member-commands.ts";
import { checkKept, checkLease, put } from "./kv/put.ts";
import { type State, header } from "./state.ts";
import { txn } from "./kv/txn.ts";
import { WriteTransaction } from "./kv/write-transaction.ts";

/** What each command answers. */
export interface Responses {
  put: PutResponse;
  "delete-range": DeleteRangeResponse;
  txn: TxnResponse;
  compact: CompactionResponse;
  "lease-grant": LeaseGrantResponse;
  "lease-revoke": LeaseRevokeResponse;
  "lease-checkpoint": LeaseCheckpointResponse;
  "member-add": MemberChanged;
  "member-promote": MemberChanged;
  "member-remove": MemberChanged;
  "member-update": MemberChanged;
  "member-publish": MemberChanged;
  "auth-enable": AuthEnableResponse;
  "auth-disable": AuthDisableResponse;
  "sign-in": SignedIn;
  "user-add": AuthUserAddResponse;
  "user-delete": AuthUserDeleteResponse;
  "user-change-password": AuthUserChangePasswordResponse;
  "user-grant-role": AuthUserGrantRoleResponse;
  "user-revoke-role": AuthUserRevokeRoleResponse;
  "role-add": AuthRoleAddResponse;
  "role-delete": AuthRoleDeleteResponse;
  "role-grant-permission": AuthRoleGrantPermissionResponse;
  "role-revoke-permission": AuthRoleRevokePermissionResponse;
  alarm: AlarmResponse;
  "downgrade-set": { header: ResponseHeader };
}

/** What came of a command: an answer, or one of etcd's errors, the same on every member. */
export type Outcome =
  | { response: Responses[CommandKind]; error?: undefined }
  | { response?: undefined; error: EtcdError };

/** Where an entry stands in the log. */
export interface LogPosition {
  index: number;
  term: number;
}

/**
 * Applies one committed entry: the only way the state changes. Synchronous and a function of
 * state and entry alone. `known` is the command when this member proposed it, which saves
 * decoding. An entry is applied once: indexes follow each other (S4).
 */
export function apply(
  state: State,
  position: LogPosition,
  data: Buffer,
  known?: Command,
): Outcome | undefined {
  assert(
    position.index === state.appliedIndex + 1,
    () => `entry ${position.index} after ${state.appliedIndex}`,
  );
  state.appliedIndex = position.index;
  state.appliedTerm = position.term;
  if (data.length === 0) return undefined;
  try {
    const command = known ?? decodeCommand(data);
    // By the users and roles of this place in the log: the same on every member.
    checkCommandAllowed(state, command);
    return { response: run(state, command) };
  } catch (thrown) {
    if (thrown instanceof EtcdError) return { error: thrown };
    throw thrown;
  }
}

function run(state: State, command: Command): Responses[CommandKind] {
  refuseAlarmed(state, command);
  switch (command.kind) {
    case "put": {
      const transaction = new WriteTransaction(state);
      checkLease(state, command.request);
      checkKept(state, transaction, command.request);
      const prevKv = put(state, transaction, command.request);
      transaction.commit();
      return { header: header(state), prevKv };
    }
    case "delete-range": {
      const transaction = new WriteTransaction(state);
      const result = deleteRange(state, transaction, command.request);
      transaction.commit();
      return { header: header(state), ...result };
    }
    case "txn":
      return txn(state, command.request);
    case "compact":
      return compact(state, command.request);
    case "lease-grant":
      return leaseGrant(state, command.request);
    case "lease-revoke":
      return leaseRevoke(state, command.request);
    case "lease-checkpoint":
      return leaseCheckpoint(state, command.request);
    case "member-add":
      return memberAdd(state, command.request);
    case "member-promote":
      return memberPromote(state, command.request);
    case "member-remove":
      return memberRemove(state, command.request);
    case "member-update":
      return memberUpdate(state, command.request);
    case "member-publish":
      return memberPublish(state, command.request);
    case "alarm":
      return alarm(state, command.request);
    case "downgrade-set":
      return downgradeSet(state, command.request);
    default:
      return applyAuth(state, command);
  }
}
