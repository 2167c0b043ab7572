import { crc32c } from "@raft2kube/std/bytes.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import type { BackendPair } from "../backend/backend.ts";

/**
 * A snapshot file: a header (magic, format version u32, crc u32, index u64, term u64, cluster id
 * u64), then blocks of pairs (length u32, crc u32, bytes), the last of length 0. A block's checksum
 * continues that of the block before, so that none can be missing or out of place.
 */
export const SNAPSHOT_FORMAT_VERSION = 1;
export const SNAPSHOT_HEADER_BYTES = 40;
export const BLOCK_HEAD_BYTES = 8;
const MAGIC = Buffer.from("r2k-snap", "latin1");
const PAIR_HEAD_BYTES = 8;

/** Where the log continues after a snapshot, and which member's it is. */
export type SnapshotHeader = { index: number; term: number; clusterId: bigint };

/** Bytes of a snapshot that are not what was written, or not by us. */
export class SnapshotError extends CodedError {
  constructor(code: "SNAPSHOT_DAMAGED" | "SNAPSHOT_FORMAT", file: string, what: string) {
    const remedy =
      code === "SNAPSHOT_DAMAGED"
        ? "remove the file: the leader sends another; alone, restore a backup"
        : "start the release that wrote this data directory";
    super(code, `${file}: ${what}`, { remedy });
  }
}

export function encodeHeader({ index, term, clusterId }: SnapshotHeader): Buffer {
  const header = Buffer.alloc(SNAPSHOT_HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32LE(SNAPSHOT_FORMAT_VERSION, 8);
  header.writeBigUInt64LE(BigInt(index), 16);
  header.writeBigUInt64LE(BigInt(term), 24);
  header.writeBigUInt64LE(clusterId, 32);
  header.writeUInt32LE(headerCrc(header), 12);
  return header;
}

/** Throws SnapshotError for a header that is damaged, or from a later release. */
export function decodeHeader(file: string, header: Buffer): SnapshotHeader {
  const isOurs = header.length >= SNAPSHOT_HEADER_BYTES && header.subarray(0, 8).equals(MAGIC);
  if (!isOurs || header.readUInt32LE(12) !== headerCrc(header)) {
    throw new SnapshotError("SNAPSHOT_DAMAGED", file, "damaged header");
  }
  const version = header.readUInt32LE(8);
  if (version > SNAPSHOT_FORMAT_VERSION) {
    const known = `this release reads up to ${SNAPSHOT_FORMAT_VERSION}`;
    throw new SnapshotError("SNAPSHOT_FORMAT", file, `snapshot format ${version}; ${known}`);
  }
  return {
    index: Number(header.readBigUInt64LE(16)),
    term: Number(header.readBigUInt64LE(24)),
    clusterId: header.readBigUInt64LE(32),
  };
}

function headerCrc(header: Buffer): number {
  return crc32c(header.subarray(16, SNAPSHOT_HEADER_BYTES), crc32c(header.subarray(0, 12)));
}

/** The pairs of one block: key length u32, value length u32, key, value. */
export function encodePairs(pairs: BackendPair[]): Buffer {
  const parts: Buffer[] = [];
  for (const [key, value] of pairs) {
    const head = Buffer.allocUnsafe(PAIR_HEAD_BYTES);
    head.writeUInt32LE(key.length, 0);
    head.writeUInt32LE(value.length, 4);
    parts.push(head, key, value);
  }
  return Buffer.concat(parts);
}

export function decodePairs(file: string, block: Buffer): BackendPair[] {
  const pairs: BackendPair[] = [];
  for (let at = 0; at < block.length; ) {
    const short = at + PAIR_HEAD_BYTES > block.length;
    const keyEnd = short ? 0 : at + PAIR_HEAD_BYTES + block.readUInt32LE(at);
    const end = short ? 0 : keyEnd + block.readUInt32LE(at + 4);
    if (short || end > block.length) {
      throw new SnapshotError("SNAPSHOT_DAMAGED", file, "a block ends within a pair");
    }
    pairs.push([block.subarray(at + PAIR_HEAD_BYTES, keyEnd), block.subarray(keyEnd, end)]);
    at = end;
  }
  return pairs;
}
