import type { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import type {
  AlarmResponse,
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
  CompactionResponse,
  DeleteRangeResponse,
  LeaseCheckpointResponse,
  LeaseGrantResponse,
  LeaseRevokeResponse,
  PutResponse,
  ResponseHeader,
  TxnResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import type { SignedIn } from "../../auth/sign-in.ts";
import type { Change } from "../records/recent.ts";
import type { CommandKind } from "./command.ts";

/** The response of a command that changes the members; the proposer adds the list of them. */
export type MemberChanged = { header: ResponseHeader };

/** The response of each command. */
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

/**
 * The result of a command: a response, or one of etcd's errors, the same on every member; and the
 * changes that the member that applied it acts on.
 */
export type Outcome = Applied | { response?: undefined; error: EtcdError; changes?: undefined };

export interface Applied {
  response: Responses[CommandKind];
  error?: undefined;
  /** The changes of the revision that the command made; empty or absent where it made none. */
  changes?: readonly Change[];
  /** A compaction took effect: the compactor has records to remove. */
  compacted?: boolean;
  /** An alarm may have gone on or off. */
  alarmed?: boolean;
}
