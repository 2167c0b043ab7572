import type { Stats } from "node:fs";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import type { Handle } from "@raft2kube/linux/beneath/handle.ts";
import { walkAside } from "@raft2kube/linux/beneath/walk.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { VolumeError } from "./volume-error.ts";

const DIRECTORY_BITS = 0o2110;
/** Permissions and the sticky bit: a file that becomes the group's never keeps a set-id bit. */
const KEPT_BITS = 0o1777;

/**
 * Changes a volume's files to the pod's fsGroup: group ownership, group access, and directories
 * whose files inherit the group. Containers may be using the volume, so that every file is changed
 * through the descriptor by which it was looked up: neither a link nor a renamed file leads out of
 * the volume. A mount within it is EXDEV. With the policy OnRootMismatch nothing is changed where
 * the volume's root is the group's already: the root is changed last. Source: API reference,
 * `fsGroup`, `fsGroupChangePolicy`.
 */
export async function applyFsGroup(
  path: string,
  fsGroup: number | undefined,
  readOnly: boolean,
  changePolicy = "Always",
): Promise<void> {
  if (fsGroup === undefined) return;
  using volume = Directory.open(path);
  const isDone = changePolicy === "OnRootMismatch" && isOfGroup(volume.stats(), fsGroup, readOnly);
  if (isDone) return;
  const slices = new Slices();
  for (const found of walkAside(volume)) {
    if (found instanceof Promise) await found;
    else giveToGroup(found.handle, found.stats, fsGroup, readOnly);
    if (slices.due) await slices.pause();
  }
  giveToGroup(volume, volume.stats(), fsGroup, readOnly);
}

function isOfGroup({ gid, mode }: Stats, fsGroup: number, readOnly: boolean): boolean {
  const wanted = accessOf(readOnly) | DIRECTORY_BITS;
  return gid === fsGroup && (mode & wanted) === wanted;
}

const accessOf = (readOnly: boolean): number => (readOnly ? 0o440 : 0o660);

function giveToGroup(handle: Handle, stats: Stats, fsGroup: number, readOnly: boolean): void {
  try {
    handle.chown(-1, fsGroup);
  } catch (cause) {
    if (!isErrno(cause, "EINVAL")) throw cause;
    throw unmappedGroup(fsGroup, cause);
  }
  if (stats.isSymbolicLink()) return;
  const directory = stats.isDirectory() ? DIRECTORY_BITS : 0;
  handle.chmod((stats.mode & KEPT_BITS) | accessOf(readOnly) | directory);
}

export function unmappedGroup(fsGroup: number, cause: unknown): VolumeError {
  const message = `fsGroup ${fsGroup} is not mapped in this user namespace`;
  const remedy = "choose a group that the node's user namespace maps (/proc/self/gid_map)";
  return new VolumeError("NotSupported", message, { remedy, cause });
}
