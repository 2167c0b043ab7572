import { MessageType } from "@raft2kube/proto/codec.ts";
import {
  AlarmRequest,
  AuthDisableRequest,
  AuthEnableRequest,
  AuthRoleAddRequest,
  AuthRoleDeleteRequest,
  AuthRoleGrantPermissionRequest,
  AuthRoleRevokePermissionRequest,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  AuthUserDeleteRequest,
  AuthUserGrantRoleRequest,
  AuthUserRevokeRoleRequest,
  CompactionRequest,
  DeleteRangeRequest,
  LeaseCheckpointRequest,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  Member,
  MemberPromoteRequest,
  MemberRemoveRequest,
  MemberUpdateRequest,
  PutRequest,
  TxnRequest,
} from "@raft2kube/proto/gen/etcd.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import type { Caller } from "../../auth/caller.ts";
import { SignIn } from "../../auth/sign-in.ts";

/** membershippb.DowngradeInfoSetRequest: starts a downgrade, or ends the one under way. */
export interface DowngradeSet {
  enabled: boolean;
  /** `major.minor.0` */
  ver: string;
}
export const DowngradeSet: MessageType<DowngradeSet> = new MessageType(
  "membershippb.DowngradeInfoSetRequest",
  () => [
    { id: 1, name: "enabled", type: "bool" },
    { id: 2, name: "ver", type: "string" },
  ],
);

/** A log entry's command for the state machine, with its caller while auth is enabled. */
export type Command = Request & { caller?: Caller | undefined };

type Request =
  | { kind: "put"; request: PutRequest }
  | { kind: "delete-range"; request: DeleteRangeRequest }
  | { kind: "txn"; request: TxnRequest }
  | { kind: "compact"; request: CompactionRequest }
  | { kind: "lease-grant"; request: LeaseGrantRequest }
  | { kind: "lease-revoke"; request: LeaseRevokeRequest }
  | { kind: "lease-checkpoint"; request: LeaseCheckpointRequest }
  | { kind: "member-add"; request: Member }
  | { kind: "member-promote"; request: MemberPromoteRequest }
  | { kind: "member-remove"; request: MemberRemoveRequest }
  | { kind: "member-update"; request: MemberUpdateRequest }
  | { kind: "member-publish"; request: Member }
  | { kind: "auth-enable"; request: AuthEnableRequest }
  | { kind: "auth-disable"; request: AuthDisableRequest }
  | { kind: "sign-in"; request: SignIn }
  | { kind: "user-add"; request: AuthUserAddRequest }
  | { kind: "user-delete"; request: AuthUserDeleteRequest }
  | { kind: "user-change-password"; request: AuthUserChangePasswordRequest }
  | { kind: "user-grant-role"; request: AuthUserGrantRoleRequest }
  | { kind: "user-revoke-role"; request: AuthUserRevokeRoleRequest }
  | { kind: "role-add"; request: AuthRoleAddRequest }
  | { kind: "role-delete"; request: AuthRoleDeleteRequest }
  | { kind: "role-grant-permission"; request: AuthRoleGrantPermissionRequest }
  | { kind: "role-revoke-permission"; request: AuthRoleRevokePermissionRequest }
  | { kind: "alarm"; request: AlarmRequest }
  | { kind: "downgrade-set"; request: DowngradeSet };

export type CommandKind = Command["kind"];

/** The number of each kind in the log: never changed, never used again. */
const KINDS: { [K in CommandKind]: { number: number; type: MessageType<never> } } = {
  put: { number: 1, type: PutRequest as never },
  "delete-range": { number: 2, type: DeleteRangeRequest as never },
  txn: { number: 3, type: TxnRequest as never },
  compact: { number: 4, type: CompactionRequest as never },
  "lease-grant": { number: 5, type: LeaseGrantRequest as never },
  "lease-revoke": { number: 6, type: LeaseRevokeRequest as never },
  "lease-checkpoint": { number: 7, type: LeaseCheckpointRequest as never },
  "member-add": { number: 8, type: Member as never },
  "member-promote": { number: 9, type: MemberPromoteRequest as never },
  "member-remove": { number: 10, type: MemberRemoveRequest as never },
  "member-update": { number: 11, type: MemberUpdateRequest as never },
  "member-publish": { number: 12, type: Member as never },
  "auth-enable": { number: 32, type: AuthEnableRequest as never },
  "auth-disable": { number: 33, type: AuthDisableRequest as never },
  "sign-in": { number: 34, type: SignIn as never },
  "user-add": { number: 35, type: AuthUserAddRequest as never },
  "user-delete": { number: 36, type: AuthUserDeleteRequest as never },
  "user-change-password": { number: 37, type: AuthUserChangePasswordRequest as never },
  "user-grant-role": { number: 38, type: AuthUserGrantRoleRequest as never },
  "user-revoke-role": { number: 39, type: AuthUserRevokeRoleRequest as never },
  "role-add": { number: 40, type: AuthRoleAddRequest as never },
  "role-delete": { number: 41, type: AuthRoleDeleteRequest as never },
  "role-grant-permission": { number: 42, type: AuthRoleGrantPermissionRequest as never },
  "role-revoke-permission": { number: 43, type: AuthRoleRevokePermissionRequest as never },
  alarm: { number: 48, type: AlarmRequest as never },
  "downgrade-set": { number: 49, type: DowngradeSet as never },
};

const BY_NUMBER = new Map(
  Object.entries(KINDS).map(([kind, { number }]) => [number, kind as CommandKind]),
);

/** The proposer's mark on its command, by which it knows it again when it is applied. */
export interface Ticket {
  /** Random for each start of a member. */
  session: number;
  sequence: number;
}

const HEAD_BYTES = 11;
/** Flag of a command's kind: the caller follows the head. */
const CALLER_FLAG = 0x80;
const CALLER_HEAD_BYTES = 10;

/**
 * kind u8, session u32, sequence u48; with a caller its auth revision u48, its name's length u32
 * and its name; then the request in protobuf.
 */
export function encodeCommand(command: Command, ticket: Ticket): Buffer {
  const { number, type } = KINDS[command.kind];
  const caller = command.caller ? encodeCaller(command.caller) : NO_CALLER;
  const bytes = type.encode(command.request as never, HEAD_BYTES + caller.length);
  bytes[0] = caller.length > 0 ? number | CALLER_FLAG : number;
  bytes.writeUInt32LE(ticket.session, 1);
  bytes.writeUIntLE(ticket.sequence, 5, 6);
  caller.copy(bytes, HEAD_BYTES);
  return bytes;
}

const NO_CALLER = Buffer.alloc(0);

function encodeCaller({ user, revision }: Caller): Buffer {
  const name = Buffer.from(user);
  const bytes = Buffer.allocUnsafe(CALLER_HEAD_BYTES + name.length);
  bytes.writeUIntLE(revision, 0, 6);
  bytes.writeUInt32LE(name.length, 6);
  name.copy(bytes, CALLER_HEAD_BYTES);
  return bytes;
}

export function ticketOf(data: Buffer): Ticket {
  return { session: data.readUInt32LE(1), sequence: data.readUIntLE(5, 6) };
}

/** Returns an encoded command's kind; undefined if this release does not know it. */
export function kindOf(data: Buffer): CommandKind | undefined {
  return BY_NUMBER.get(data[0]! & ~CALLER_FLAG);
}

/** Whether an encoded command is about members. */
export function isMemberCommand(data: Buffer): boolean {
  return kindOf(data)?.startsWith("member-") === true;
}

export function decodeCommand(data: Buffer): Command {
  const kind = kindOf(data);
  if (kind === undefined) {
    throw new CodedError("UNKNOWN_COMMAND", `the log has a command of unknown kind ${data[0]}`, {
      remedy: "a newer release wrote this log: start that release",
    });
  }
  const { type } = KINDS[kind];
  if ((data[0]! & CALLER_FLAG) === 0) {
    return { kind, request: type.decode(data.subarray(HEAD_BYTES)) as never } as Command;
  }
  const nameAt = HEAD_BYTES + CALLER_HEAD_BYTES;
  const nameEnd = nameAt + data.readUInt32LE(HEAD_BYTES + 6);
  const revision = data.readUIntLE(HEAD_BYTES, 6);
  const caller = { user: data.toString("utf8", nameAt, nameEnd), revision };
  return { kind, request: type.decode(data.subarray(nameEnd)) as never, caller } as Command;
}
