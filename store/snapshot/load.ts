import type { Backend, BackendWrite } from "../backend/backend.ts";
import { decodeMeta, encodeMeta, META_KEY } from "../mvcc/persist/flush/meta.ts";
import type { Identity } from "../mvcc/state/state.ts";
import { SnapshotError } from "./format.ts";
import { openSnapshot } from "./read.ts";

/**
 * Fills an empty backend from a snapshot. The record that makes it a member's state is written
 * last, once everything else is durable: a backend without it was not filled to the end.
 */
export async function loadSnapshot(
  path: string,
  backend: Backend,
  identity: Identity,
): Promise<void> {
  const snapshot = await openSnapshot(path);
  let meta: Buffer | undefined;
  try {
    for await (const pairs of snapshot.blocks()) {
      const writes: BackendWrite[] = [];
      for (const [key, value] of pairs) {
        if (key.equals(META_KEY)) meta = Buffer.from(value);
        else writes.push({ key, value });
      }
      // Each synced: LevelDB promises nothing of earlier logs when it syncs its present one.
      await backend.writeBatch(writes, { sync: true });
    }
  } finally {
    await snapshot.close();
  }
  if (!meta) throw new SnapshotError("SNAPSHOT_DAMAGED", path, "has no record of the state");
  // Its maker's name is not ours.
  const { clusterId, memberId } = identity;
  const value = encodeMeta({ ...decodeMeta(meta), clusterId, memberId });
  await backend.writeBatch([{ key: META_KEY, value }], { sync: true });
}

/** Reads a snapshot to its end, checking every block; returns its header, membership, checksum. */
export async function checkSnapshot(path: string) {
  const snapshot = await openSnapshot(path);
  try {
    let meta: Buffer | undefined;
    let pairs = 0;
    for await (const block of snapshot.blocks()) {
      pairs += block.length;
      const found = block.find(([key]) => key.equals(META_KEY));
      if (found) meta = Buffer.from(found[1]);
    }
    if (!meta) throw new SnapshotError("SNAPSHOT_DAMAGED", path, "has no record of the state");
    const { membership, revision } = decodeMeta(meta);
    return { ...snapshot.header, crc: snapshot.crc, membership, revision, pairs };
  } finally {
    await snapshot.close();
  }
}
