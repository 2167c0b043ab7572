import { assertSafeInteger } from "@raft2kube/std/assert.ts";
import type { Entry, HardState, LogBase } from "../core/types.ts";
import { decodeChange, encodeChange } from "./change.ts";

/** The numbers inside record payloads: 64 bits, little-endian. */
function putU64(target: Buffer, offset: number, value: number): void {
  assertSafeInteger(value, "log number");
  target.writeUInt32LE(value % 0x1_0000_0000, offset);
  target.writeUInt32LE(Math.floor(value / 0x1_0000_0000), offset + 4);
}

function getU64(source: Buffer, offset: number): number {
  return assertSafeInteger(Number(source.readBigUInt64LE(offset)), "log number");
}

const ENTRY_HEAD_BYTES = 17;
const PLAIN = 0;
const CHANGE = 1;

/**
 * index, term, kind, then the command; a change of membership stands before its (empty) command.
 */
export function encodeEntry(entry: Entry): Buffer {
  const change = entry.change ? encodeChange(entry.change) : undefined;
  const body = change ?? entry.data;
  const payload = Buffer.allocUnsafe(ENTRY_HEAD_BYTES + body.length);
  putU64(payload, 0, entry.index);
  putU64(payload, 8, entry.term);
  payload[16] = change ? CHANGE : PLAIN;
  body.copy(payload, ENTRY_HEAD_BYTES);
  return payload;
}

/** The entry in a payload; `data` is a view of it. */
export function decodeEntry(payload: Buffer): Entry {
  const body = payload.subarray(ENTRY_HEAD_BYTES);
  const change = payload[16] === CHANGE ? decodeChange(body) : undefined;
  return {
    index: getU64(payload, 0),
    term: getU64(payload, 8),
    data: change ? Buffer.alloc(0) : body,
    change,
  };
}

export function encodeHardState(state: HardState): Buffer {
  const payload = Buffer.allocUnsafe(24);
  putU64(payload, 0, state.term);
  payload.writeBigUInt64LE(state.vote, 8);
  putU64(payload, 16, state.commit);
  return payload;
}

export function decodeHardState(payload: Buffer): HardState {
  const vote = payload.readBigUInt64LE(8);
  return { term: getU64(payload, 0), vote, commit: getU64(payload, 16) };
}

export function encodeBase(base: LogBase): Buffer {
  const payload = Buffer.allocUnsafe(16);
  putU64(payload, 0, base.index);
  putU64(payload, 8, base.term);
  return payload;
}

export function decodeBase(payload: Buffer): LogBase {
  return { index: getU64(payload, 0), term: getU64(payload, 8) };
}

/** The member that owns the log: a member never continues another's. */
export type LogIdentity = { clusterId: bigint; memberId: bigint };

/** First record of each segment: the facts of earlier segments that a reader still needs. */
export interface SegmentHead extends LogIdentity {
  base: LogBase;
  hardState: HardState;
}

export function encodeHead(head: SegmentHead): Buffer {
  const identity = Buffer.allocUnsafe(16);
  identity.writeBigUInt64LE(head.clusterId, 0);
  identity.writeBigUInt64LE(head.memberId, 8);
  return Buffer.concat([identity, encodeBase(head.base), encodeHardState(head.hardState)]);
}

export const decodeHead = (payload: Buffer): SegmentHead => ({
  clusterId: payload.readBigUInt64LE(0),
  memberId: payload.readBigUInt64LE(8),
  base: decodeBase(payload.subarray(16)),
  hardState: decodeHardState(payload.subarray(32)),
});
