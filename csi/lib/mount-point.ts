import { lstat, mkdir, realpath, rmdir, unlink } from "node:fs/promises";
import path from "node:path";
import { unmountAside } from "@raft2kube/linux/mount/mount.ts";
import { isMountPoint } from "@raft2kube/linux/mount/mount-point.ts";
import { type MountInfo, mountsNaming } from "@raft2kube/linux/mount/mountinfo.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { failedPrecondition, internal, notFound } from "./errors.ts";

/** Mounts stacked on one path that an unpublish takes away before it gives up. */
const STACKED_MAX = 16;

/**
 * The path as the kernel's mount table names it: its parent resolved, its last part kept, as a link
 * there must not lead the mount elsewhere. Throws NOT_FOUND when the parent is missing, which the
 * caller should have made.
 */
export async function mountPointOf(field: string, file: string): Promise<string> {
  try {
    return path.join(await realpath(path.dirname(file)), path.basename(file));
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT", "ENOTDIR")) {
      throw notFound(`the directory of ${field} does not exist: ${path.dirname(file)}`);
    }
    throw thrown;
  }
}

/** Throws FAILED_PRECONDITION unless a directory, not a link to one, is there. */
export async function requireDirectory(field: string, directory: string): Promise<void> {
  const found = await lstat(directory);
  if (!found.isDirectory()) throw failedPrecondition(`${field} is not a directory: ${directory}`);
}

/** Makes the directory that will be mounted on; one that exists is fine. */
export async function makeMountPoint(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o750 });
  } catch (thrown) {
    if (!isErrno(thrown, "EEXIST")) throw thrown;
    await requireDirectory("target_path", directory);
  }
}

/**
 * Unmounts all that is stacked on `target`, of the volume `id`. Throws INTERNAL when it does not
 * come to an end.
 */
export async function unmountAll(target: string, id: string): Promise<void> {
  for (let i = 0; i < STACKED_MAX; i++) if (!(await unmountAside(target, { owner: id }))) return;
  throw internal(`more than ${STACKED_MAX} mounts on ${target}`);
}

/**
 * Removes the directory or file that was mounted on; it must be empty, so nothing is ever deleted
 * that a failed unmount left visible.
 */
export async function removeMountPoint(point: string): Promise<void> {
  try {
    const found = await lstat(point);
    if (found.isFile() && found.size === 0) await unlink(point);
    else await rmdir(point);
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT")) throw thrown;
  }
}

/** Returns the mount exactly at `point`, the topmost if several are stacked. */
export function mountAt(point: string): MountInfo | undefined {
  // The kernel's list of all mounts is as long as pods make it.
  if (!isMountPoint(point)) return undefined;
  return mountsNaming(point).findLast((mount) => mount.mountPoint === point);
}

/** Whether writing through this mount is refused. */
export const isReadOnly = (mount: MountInfo): boolean => mount.options.includes("ro");
