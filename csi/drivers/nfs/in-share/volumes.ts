import { copyTree } from "@raft2kube/linux/beneath/copy-tree.ts";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { removeTree } from "@raft2kube/linux/beneath/remove-tree.ts";
import { readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { errno, isErrno, messageOf, tolerateSync } from "@raft2kube/std/errors.ts";
import { type Capacity, newSize, satisfies } from "../../../lib/capacity.ts";
import {
  aborted,
  alreadyExists,
  failedPrecondition,
  internal,
  notFound,
  outOfRange,
  resourceExhausted,
} from "../../../lib/errors.ts";
import { CONTENT_WORK_TIMEOUT_MS } from "../limits.ts";
import { type ContentSource, parseSnapshot, parseVolume, type VolumeRecord } from "../record.ts";
import { sourceOf } from "../share.ts";
import { keyOf } from "../volume-id.ts";
import { extractSnapshot } from "./archive.ts";
import type { Mounter } from "./mounter.ts";
import type { NewVolume, Operations } from "./operations.ts";
import type { ShareContents } from "./share-contents.ts";
import { archiveDirectory, claimDirectory, parentOf, removeEmptyParents } from "./sub-dirs.ts";

/**
 * Makes the volume that the request names, or finds it. The record is written before its directory
 * and says so, so that after a crash at any point the next attempt continues. Throws ALREADY_EXISTS
 * for the same name with another size, source or directory.
 */
export async function createVolume(share: ShareContents, volume: NewVolume): Promise<VolumeRecord> {
  // lab:17 begin create
  await forgetAbandoned(share, volume);
  const existing = share.read("volumes", volume.key, parseVolume);
  requireSameDirectory(share, volume);
  if (existing) requireSame(existing, volume);
  if (existing?.state === "ready") return existing;
  const record = existing ?? (await addRecord(share, volume));
  share.replace("names", keyOf(volume.name), { version: 1, subDir: volume.subDir });
  await makeContent(share, record, volume.mode);
  const ready: VolumeRecord = { ...record, state: "ready" };
  share.replace("volumes", volume.key, ready);
  return ready;
  // lab:17 end
}

/**
 * Forgets a volume of another name that was started for the directory and got none: its claim is
 * gone, so that no call names it again. A claim that is created again has a volume of a new name,
 * and may have the same directory.
 */
async function forgetAbandoned(share: ShareContents, { key, name, subDir }: NewVolume) {
  const begun = share.read("volumes", key, parseVolume);
  if (begun?.state !== "creating" || begun.name === name) return;
  using found = share.root.find(subDir, { oneMount: true });
  if (found) return;
  using made = share.meta("new");
  await removeTree(made, keyOf(begun.name));
  share.forget("names", keyOf(begun.name));
  share.forget("volumes", key);
}

/** The name may lead to a record of another directory, of a class that was changed since. */
function requireSameDirectory(share: ShareContents, { name, subDir }: NewVolume): void {
  const parse = (text: string) => (JSON.parse(text) as { subDir: string }).subDir;
  const earlier = share.read("names", keyOf(name), parse);
  if (earlier === undefined || earlier === subDir) return;
  if (share.read("volumes", keyOf(earlier), parseVolume)?.name !== name) return;
  throw alreadyExists(`volume ${name} exists in directory ${earlier}, not ${subDir}`);
}

function requireSame(existing: VolumeRecord, volume: NewVolume): void {
  const { name, capacity_bytes, state } = existing;
  if (name !== volume.name) {
    throw alreadyExists(`directory ${volume.subDir} is that of volume ${name}`);
  }
  if (state === "deleting") throw aborted(`volume ${name} is being deleted`);
  if (!satisfies(capacity_bytes, capacityOf(volume))) {
    throw alreadyExists(`volume ${name} exists with ${capacity_bytes} bytes`);
  }
  if (!isSameSource(existing.source, volume.source)) {
    throw alreadyExists(`volume ${name} exists with another content source`);
  }
}

function isSameSource(a: ContentSource | undefined, b: ContentSource | undefined): boolean {
  return a?.kind === b?.kind && a?.key === b?.key;
}

function capacityOf({ required_bytes, limit_bytes }: NewVolume): Capacity {
  return { required_bytes, limit_bytes: limit_bytes === 0 ? Infinity : limit_bytes };
}

async function addRecord(share: ShareContents, volume: NewVolume): Promise<VolumeRecord> {
  const { key, name, subDir, onDelete, source } = volume;
  const content_bytes = source ? sizeOfSource(share, source) : 0;
  claimDirectory(share, volume);
  // Deletions free a full share by way of it, which then has no room for a directory.
  share.meta("trash")[Symbol.dispose]();
  const record: VolumeRecord = {
    version: 1,
    state: "creating",
    name,
    subDir,
    capacity_bytes: newSize(capacityOf(volume), content_bytes),
    onDelete,
    ...(source && { source }),
  };
  if (share.add("volumes", key, record)) return record;
  throw aborted(`volume ${name} is being made by another driver`);
}

function sizeOfSource(share: ShareContents, { kind, key }: ContentSource): number {
  const size =
    kind === "snapshot"
      ? share.read("snapshots", key, parseSnapshot)?.size_bytes
      : share.read("volumes", key, parseVolume)?.capacity_bytes;
  if (size === undefined) throw notFound(`the source ${kind} does not exist`);
  return size;
}

/** Any user may write to a volume, as the process in a pod may be anyone. */
const MODE_DEFAULT = 0o777;

async function makeContent(
  share: ShareContents,
  { subDir, source, name }: VolumeRecord,
  mode: number | undefined,
): Promise<void> {
  const { parent, last } = parentOf(share, subDir);
  using directory = parent;
  using found = directory.find(last, { oneMount: true });
  if (found && !found.stats().isDirectory()) {
    throw failedPrecondition(`${subDir} is in the share, and is not a directory`);
  }
  if (found) {
    if (mode !== undefined) found.chmod(mode);
    return;
  }
  using made = share.meta("new");
  const fresh = keyOf(name);
  await removeTree(made, fresh);
  made.makeDirectory(fresh, 0o700);
  using content = made.directory(fresh);
  try {
    if (source) await copySource(share, source, content);
  } catch (thrown) {
    await removeTree(made, fresh);
    if (isErrno(thrown, "ENOSPC", "EDQUOT")) throw resourceExhausted(messageOf(thrown));
    throw thrown;
  }
  if (!source || mode !== undefined) content.chmod(mode ?? MODE_DEFAULT);
  made.rename(fresh, directory, last);
}

async function copySource(
  share: ShareContents,
  { kind, key }: ContentSource,
  content: Directory,
): Promise<void> {
  const signal = AbortSignal.timeout(CONTENT_WORK_TIMEOUT_MS);
  if (kind === "snapshot") return extractSnapshot(share, key, content, signal);
  const source = share.read("volumes", key, parseVolume);
  if (!source) throw notFound("the source volume does not exist");
  using from = share.root.directory(source.subDir, { oneMount: true });
  try {
    await copyTree(from, content, signal);
  } catch (thrown) {
    if (isErrno(thrown, "ENOSPC", "EDQUOT")) throw thrown;
    throw internal(`copying volume ${source.name} failed: ${messageOf(thrown)}`);
  }
}

/** The volume with this key. Throws NOT_FOUND. */
export function getVolume(share: ShareContents, key: string): VolumeRecord {
  const volume = share.read("volumes", key, parseVolume);
  if (volume?.state === "ready") return volume;
  throw notFound(`the share ${sourceOf(share.share)} has no volume ${key}`);
}

/** Records a larger capacity; NFS has no limit of its own to raise. */
export function expandVolume(
  share: ShareContents,
  { key, required_bytes, limit_bytes }: Operations["expandVolume"]["request"],
): VolumeRecord {
  const volume = getVolume(share, key);
  const capacity_bytes = Math.max(volume.capacity_bytes, required_bytes);
  if (limit_bytes !== 0 && capacity_bytes > limit_bytes) {
    throw outOfRange(`the volume has ${capacity_bytes} bytes; it cannot be made smaller`);
  }
  if (capacity_bytes === volume.capacity_bytes) return volume;
  const expanded = { ...volume, capacity_bytes };
  share.replace("volumes", key, expanded);
  return expanded;
}

/**
 * Deletes a volume as its class says. A directory is first moved out of the way, then emptied: it
 * is never seen half deleted, and an interrupted deletion continues. The share is mounted for this
 * process alone, so that no mount of the machine can be within. Throws FAILED_PRECONDITION while
 * the volume is mounted on this node.
 */
export async function deleteVolume(
  share: ShareContents,
  key: string,
  { sourceOfMount }: Pick<Mounter, "sourceOfMount">,
): Promise<null> {
  // lab:17 begin delete
  const volume = share.read("volumes", key, parseVolume);
  if (!volume) return null;
  const source = sourceOf(share.share, volume.subDir);
  const used = readMountInfo().find((mount) => sourceOfMount(mount) === source);
  if (used) {
    throw failedPrecondition(`volume ${volume.name} is in use: mounted at ${used.mountPoint}`);
  }
  const { subDir, onDelete, state, name } = volume;
  const mark = () => share.replace("volumes", key, { ...volume, state: "deleting" });
  // A full share has no room for the mark, and is to be freed.
  if (state !== "deleting") tolerateSync(mark, errno("ENOSPC", "EDQUOT"));
  if (onDelete === "archive") archiveDirectory(share, subDir);
  if (onDelete === "delete") await removeDirectory(share, subDir, key);
  share.forget("names", keyOf(name));
  share.forget("volumes", key);
  return null;
  // lab:17 end
}

/**
 * Deletes a volume's directory: moves it into the trash under the volume's key, empties it there,
 * and removes the directories above it that are empty then. The remains of an earlier attempt in
 * the trash are removed first; a directory that is gone is no error.
 */
async function removeDirectory(share: ShareContents, subDir: string, key: string): Promise<void> {
  // lab:17 begin remove
  using trash = share.meta("trash");
  await removeTree(trash, key);
  const { parent, last } = parentOf(share, subDir);
  using directory = parent;
  try {
    directory.rename(last, trash, key);
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT")) throw thrown;
  }
  await removeTree(trash, key);
  removeEmptyParents(share, subDir);
  // lab:17 end
}
