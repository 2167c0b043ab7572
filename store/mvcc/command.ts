import { CodedError } from "@raft2kube/std/errors.ts";
import type { MessageType } from "@raft2kube/proto/codec.ts";
import {
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

/** What a log entry asks the state machine to do. */
export type Command =
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
  | { kind: "member-publish"; request: Member };

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

/** kind u8, session u32, sequence u48, then the request in protobuf. */
export function encodeCommand(command: Command, ticket: Ticket): Buffer {
  const { number, type } = KINDS[command.kind];
  const body = type.encode(command.request as never);
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + body.length);
  bytes[0] = number;
  bytes.writeUInt32LE(ticket.session, 1);
  bytes.writeUIntLE(ticket.sequence, 5, 6);
  body.copy(bytes, HEAD_BYTES);
  return bytes;
}

export function ticketOf(data: Buffer): Ticket {
  return { session: data.readUInt32LE(1), sequence: data.readUIntLE(5, 6) };
}

/** Whether an encoded command is about members. */
export function isMemberCommand(data: Buffer): boolean {
  return BY_NUMBER.get(data[0]!)?.startsWith("member-") === true;
}

export function decodeCommand(data: Buffer): Command {
  const kind = BY_NUMBER.get(data[0]!);
  if (kind === undefined) {
    throw new CodedError("UNKNOWN_COMMAND", `the log has a command of unknown kind ${data[0]}`, {
      remedy: "a newer release wrote this log: start that release",
    });
  }
  const request = KINDS[kind].type.decode(data.subarray(HEAD_BYTES)) as never;
  return { kind, request } as Command;
}
