import { aborted, alreadyExists } from "../../../lib/errors.ts";
import { CONTENT_WORK_TIMEOUT_MS } from "../limits.ts";
import { parseSnapshot, type SnapshotRecord } from "../record.ts";
import { removeArchive, writeArchive } from "./archive.ts";
import type { Operations } from "./operations.ts";
import type { ShareContents } from "./share-contents.ts";
import { getVolume } from "./volumes.ts";

/**
 * Takes a snapshot: an archive of the volume's files, while they may be written to. Its record is
 * written last: without it there is no snapshot. Throws ALREADY_EXISTS for the same name with
 * another source.
 */
export async function createSnapshot(
  share: ShareContents,
  { key, name, volumeKey, created_ms }: Operations["createSnapshot"]["request"],
): Promise<SnapshotRecord> {
  const existing = share.read("snapshots", key, parseSnapshot);
  if (existing && existing.volumeKey !== volumeKey) {
    throw alreadyExists(`snapshot ${name} exists, of another volume`);
  }
  if (existing) return existing;
  const { capacity_bytes: size_bytes, subDir } = getVolume(share, volumeKey);
  using content = share.root.directory(subDir, { oneMount: true });
  await writeArchive(share, key, content, AbortSignal.timeout(CONTENT_WORK_TIMEOUT_MS));
  const record: SnapshotRecord = { version: 1, name, volumeKey, size_bytes, created_ms };
  if (share.add("snapshots", key, record)) return record;
  throw aborted(`snapshot ${name} is being taken by another driver`);
}

/** Deletes a snapshot, the record first; one that is not there is fine. */
export async function deleteSnapshot(share: ShareContents, key: string): Promise<null> {
  share.forget("snapshots", key);
  await removeArchive(share, key);
  return null;
}
