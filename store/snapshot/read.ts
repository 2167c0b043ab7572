import { type FileHandle, open } from "node:fs/promises";
import { readAt } from "@raft2kube/linux/file/read-at.ts";
import { crc32c } from "@raft2kube/std/bytes.ts";
import type { BackendPair } from "../backend/backend.ts";
import { SNAPSHOT_BLOCK_BYTES_MAX } from "../limits.ts";
import {
  BLOCK_HEAD_BYTES,
  decodeHeader,
  decodePairs,
  SNAPSHOT_HEADER_BYTES,
  SnapshotError,
  type SnapshotHeader,
} from "./format.ts";

/** A snapshot file opened for reading. */
export interface OpenSnapshot {
  header: SnapshotHeader;
  /** The pairs block by block, each checked. Throws SnapshotError at one that is not whole. */
  blocks(): AsyncGenerator<BackendPair[]>;
  /** The checksum of the last block, once all have been read. */
  crc: number;
  close(): Promise<void>;
}

export async function openSnapshot(path: string): Promise<OpenSnapshot> {
  const handle = await open(path, "r");
  try {
    const header = decodeHeader(path, await readAt(handle, 0, SNAPSHOT_HEADER_BYTES));
    const snapshot: OpenSnapshot = {
      header,
      blocks: () => readBlocks(path, handle, (crc) => (snapshot.crc = crc)),
      crc: 0,
      close: () => handle.close(),
    };
    return snapshot;
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }
}

async function* readBlocks(
  path: string,
  handle: FileHandle,
  onEnd: (crc: number) => void,
): AsyncGenerator<BackendPair[]> {
  const { size: bytes } = await handle.stat();
  let at = SNAPSHOT_HEADER_BYTES;
  let crc = 0;
  for (;;) {
    const head = await readAt(handle, at, BLOCK_HEAD_BYTES);
    const damaged = (what: string) => new SnapshotError("SNAPSHOT_DAMAGED", path, what);
    if (head.length < BLOCK_HEAD_BYTES) throw damaged(`ends at byte ${at}, within a block's head`);
    const length = head.readUInt32LE(0);
    if (length > SNAPSHOT_BLOCK_BYTES_MAX) throw damaged(`a block of ${length} bytes at ${at}`);
    // No memory is allocated for the sizes that a damaged head names.
    const end = at + BLOCK_HEAD_BYTES + length;
    if (end > bytes) throw damaged(`ends within the block at byte ${at}`);
    const block = await readAt(handle, at + BLOCK_HEAD_BYTES, length);
    crc = crc32c(block, crc32c(head.subarray(0, 4), crc));
    if (crc !== head.readUInt32LE(4)) throw damaged(`damaged block at byte ${at}`);
    at = end;
    if (length === 0) break;
    yield decodePairs(path, block);
  }
  const rest = await readAt(handle, at, 1);
  if (rest.length > 0) {
    throw new SnapshotError("SNAPSHOT_DAMAGED", path, `goes on behind its last block, at ${at}`);
  }
  onEnd(crc);
}
