import { assert } from "@raft2kube/std/assert.ts";
import { crc32c } from "@raft2kube/std/bytes.ts";
import { RECORD_BYTES_MAX } from "../limits.ts";

/** The kinds of records in the log. */
export const RECORD = { HEAD: 1, ENTRY: 2, HARD_STATE: 3, SNAPSHOT: 4 } as const;
export type RecordKind = (typeof RECORD)[keyof typeof RECORD];

/**
 * Header before each payload: crc u32, length u32, kind u8 and three zeros, behind u32, position
 * u64. The checksum covers everything after itself, the record's absolute position in the log
 * included, so that bytes left over in a recycled file, or written to the wrong place, never pass
 * for records.
 */
export const RECORD_HEADER_BYTES = 24;

/** Records start at multiples of this. */
export const RECORD_ALIGN_BYTES = 8;

export type LogRecord = { kind: RecordKind; payload: Buffer };

/** A record found in the log. */
export interface FoundRecord extends LogRecord {
  position: number;
  /** How far the log was durable when this record was handed to the disk. */
  durable: number;
  /** Bytes from this record to the next. */
  size: number;
}

export function recordSize(payloadBytes: number): number {
  const bytes = RECORD_HEADER_BYTES + payloadBytes;
  return Math.ceil(bytes / RECORD_ALIGN_BYTES) * RECORD_ALIGN_BYTES;
}

/** Writes a record into `target` at `offset`; returns the offset after it. */
export function encodeRecord(
  target: Buffer,
  offset: number,
  record: LogRecord,
  place: { position: number; durable: number },
): number {
  const { kind, payload } = record;
  const { position, durable } = place;
  assert(payload.length <= RECORD_BYTES_MAX, () => `a log record of ${payload.length} bytes`);
  assert(position >= durable, () => `position ${position} is before the durable end ${durable}`);
  // lab:02 begin encodeRecord
  target.writeUInt32LE(payload.length, offset + 4);
  target.writeUInt32LE(kind, offset + 8);
  target.writeUInt32LE(position - durable, offset + 12);
  writePosition(target, offset + 16, position);
  payload.copy(target, offset + RECORD_HEADER_BYTES);
  const end = offset + RECORD_HEADER_BYTES + payload.length;
  target.writeUInt32LE(crc32c(target.subarray(offset + 4, end)), offset);
  const next = offset + recordSize(payload.length);
  target.fill(0, end, next);
  return next;
  // lab:02 end
}

/** The record at `offset` if one is there whole, meant for `position`; undefined otherwise. */
export function decodeRecord(
  source: Buffer,
  offset: number,
  position: number,
): FoundRecord | undefined {
  // lab:02 begin decodeRecord
  if (offset + RECORD_HEADER_BYTES > source.length) return undefined;
  if (readPosition(source, offset + 16) !== position) return undefined;
  const length = source.readUInt32LE(offset + 4);
  const end = offset + RECORD_HEADER_BYTES + length;
  if (end > source.length) return undefined;
  if (source.readUInt32LE(offset) !== crc32c(source.subarray(offset + 4, end))) return undefined;
  const size = recordSize(length);
  for (let at = end; at < offset + size; at++) if (source[at] !== 0) return undefined;
  return {
    kind: source.readUInt32LE(offset + 8) as RecordKind,
    payload: source.subarray(offset + RECORD_HEADER_BYTES, end),
    position,
    durable: position - source.readUInt32LE(offset + 12),
    size,
  };
  // lab:02 end
}

function writePosition(target: Buffer, offset: number, position: number): void {
  target.writeUInt32LE(position % 0x1_0000_0000, offset);
  target.writeUInt32LE(Math.floor(position / 0x1_0000_0000), offset + 4);
}

function readPosition(source: Buffer, offset: number): number {
  return source.readUInt32LE(offset) + source.readUInt32LE(offset + 4) * 0x1_0000_0000;
}
