import { crc32c } from "@raft2kube/std/bytes.ts";
import { LogDamagedError, LogFormatError } from "./errors.ts";
import { decodeRecord, type FoundRecord, RECORD_ALIGN_BYTES } from "./record.ts";

/** First bytes of each segment file: magic, format version u32, crc u32, start position u64. */
export const SEGMENT_HEADER_BYTES = 24;
/**
 * Version of the format. Since 2 a mark beside the segments records how far the log's end was
 * durable (`synced-mark.ts`): an earlier release would cut away what the mark vouches for.
 */
export const LOG_FORMAT_VERSION = 2;
const MAGIC = Buffer.from("r2k-wal\n", "latin1");
const ZEROS = Buffer.alloc(64 * 1024);

const NAME = /^([0-9a-f]{16})\.wal$/;

export function segmentName(sequence: number): string {
  return `${sequence.toString(16).padStart(16, "0")}.wal`;
}

/** The sequence number in a segment's name, or undefined for any other file. */
export function segmentSequence(name: string): number | undefined {
  const match = NAME.exec(name);
  return match ? Number.parseInt(match[1]!, 16) : undefined;
}

export function encodeSegmentHeader(start: number): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(header, 0);
  header.writeUInt32LE(LOG_FORMAT_VERSION, 8);
  header.writeBigUInt64LE(BigInt(start), 16);
  header.writeUInt32LE(crc32c(header.subarray(16), crc32c(header.subarray(0, 12))), 12);
  return header;
}

/**
 * The absolute position of the first record; undefined when the header was never written whole.
 * The file's name says that it is a segment: any other beginning is damage, and so is a version
 * that the checksum does not vouch for.
 */
export function decodeSegmentHeader(file: string, bytes: Buffer): number | undefined {
  if (bytes.length < SEGMENT_HEADER_BYTES) return undefined;
  const header = bytes.subarray(0, SEGMENT_HEADER_BYTES);
  if (header.every((byte) => byte === 0)) return undefined;
  const crc = crc32c(header.subarray(16), crc32c(header.subarray(0, 12)));
  if (!header.subarray(0, MAGIC.length).equals(MAGIC) || crc !== header.readUInt32LE(12)) {
    throw new LogDamagedError(file, 0, "damaged header");
  }
  const version = header.readUInt32LE(8);
  if (version > LOG_FORMAT_VERSION) {
    const known = LOG_FORMAT_VERSION;
    throw new LogFormatError(file, `log format ${version}; this release reads up to ${known}`);
  }
  return Number(bytes.readBigUInt64LE(16));
}

/** A segment's records, up to its end or to a torn write. */
export interface SegmentContent {
  start: number;
  records: FoundRecord[];
  /** Absolute position after the last whole record. */
  end: number;
}

/**
 * Reads a segment. An invalid record is the torn tail of a last write if nothing durable follows
 * it; each record states how far the log was durable when it was written, so damage to acknowledged
 * bytes is distinguished from a tear, and thrown as LogDamagedError.
 */
export function readSegment(file: string, bytes: Buffer, start: number): SegmentContent {
  // lab:02 begin readSegment
  const records: FoundRecord[] = [];
  let offset = SEGMENT_HEADER_BYTES;
  const positionAt = (at: number) => start + at - SEGMENT_HEADER_BYTES;
  for (;;) {
    const record = decodeRecord(bytes, offset, positionAt(offset));
    if (!record) break;
    records.push(record);
    offset += record.size;
  }
  const end = positionAt(offset);
  const written = writtenEnd(bytes);
  for (let at = offset; at < written; at += RECORD_ALIGN_BYTES) {
    const later = decodeRecord(bytes, at, positionAt(at));
    if (later && later.durable > end) throw new LogDamagedError(file, offset, "damaged record");
  }
  return { start, records, end };
  // lab:02 end
}

/**
 * The end of the last block that is not all zeros. No record starts after it, as none but the first
 * is at position 0.
 */
function writtenEnd(bytes: Buffer): number {
  let end = bytes.length;
  for (; end > 0; end -= ZEROS.length) {
    const block = bytes.subarray(Math.max(0, end - ZEROS.length), end);
    if (!block.equals(ZEROS.subarray(0, block.length))) break;
  }
  return Math.max(0, end);
}
