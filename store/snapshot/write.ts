import { type FileHandle, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32c } from "@raft2kube/std/bytes.ts";
import type { BackendPair, BackendSnapshot } from "../backend/backend.ts";
import { SNAPSHOT_BLOCK_BYTES } from "../limits.ts";
import { BLOCK_HEAD_BYTES, encodeHeader, encodePairs, type SnapshotHeader } from "./format.ts";

/** All keys that a backend can hold. */
export const EVERYTHING = { from: Buffer.alloc(0), to: Buffer.alloc(64, 0xff) };

/** A whole snapshot on disk. */
export interface SnapshotFile extends SnapshotHeader {
  path: string;
  bytes: number;
  /** The checksum of the last block, which depends on all bytes but the header's. */
  crc: number;
}

/** Writes a view of a backend to `path`: aside first, synced, renamed, the directory synced. */
export async function writeSnapshot(
  path: string,
  header: SnapshotHeader,
  view: BackendSnapshot,
): Promise<SnapshotFile> {
  const aside = `${path}.part`;
  const handle = await open(aside, "w", 0o600);
  let written: { bytes: number; crc: number };
  try {
    written = await writeBlocks(handle, header, view);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await renameDurably(aside, path);
  return { ...header, ...written, path };
}

/** Renames a synced file within its directory, and makes its new name survive a power loss. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await using folder = await open(dirname(to), "r");

  await folder.sync();
}

async function writeBlocks(handle: FileHandle, header: SnapshotHeader, view: BackendSnapshot) {
  const head = encodeHeader(header);
  await handle.write(head);
  let bytes = head.length;
  let crc = 0;
  const writeBlock = async (pairs: BackendPair[]) => {
    const block = encodePairs(pairs);
    const blockHead = Buffer.alloc(BLOCK_HEAD_BYTES);
    blockHead.writeUInt32LE(block.length, 0);
    crc = crc32c(block, crc32c(blockHead.subarray(0, 4), crc));
    blockHead.writeUInt32LE(crc, 4);
    await handle.write(Buffer.concat([blockHead, block]));
    bytes += blockHead.length + block.length;
  };
  for await (const chunk of view.scan(EVERYTHING)) {
    for (const block of blocksOf(chunk)) await writeBlock(block);
  }
  await writeBlock([]);
  return { bytes, crc };
}

/** Cuts a chunk of pairs into blocks of a bounded size, one pair at least. */
function* blocksOf(chunk: BackendPair[]): Generator<BackendPair[]> {
  let block: BackendPair[] = [];
  let bytes = 0;
  for (const pair of chunk) {
    const size = pair[0].length + pair[1].length;
    if (block.length > 0 && bytes + size > SNAPSHOT_BLOCK_BYTES) {
      yield block;
      [block, bytes] = [[], 0];
    }
    block.push(pair);
    bytes += size;
  }
  if (block.length > 0) yield block;
}
