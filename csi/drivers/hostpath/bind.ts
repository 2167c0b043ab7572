import { lstat, mkdir, realpath, rmdir } from "node:fs/promises";
import path from "node:path";
import { MountFlag, bindMount, mount, unmount } from "@raft2kube/linux/mount.ts";
import { mountOf } from "@raft2kube/linux/mountinfo.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { failedPrecondition, internal, notFound } from "../../lib/errors.ts";
import { openImage } from "./volume-image.ts";

/** Attributes that are set per mount and not per file system. */
const ATTRIBUTES = ["nosuid", "nodev", "noexec"] as const;

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
export async function makeMountPoint(field: string, directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o750 });
  } catch (thrown) {
    if (!isErrno(thrown, "EEXIST")) throw thrown;
    await requireDirectory(field, directory);
  }
}

/**
 * Shows `source` at `target`, with the flags of the capability. A bind mount takes its attributes
 * only by a second mount call; when that fails nothing stays mounted.
 */
export function bind(source: string, target: string, flags: readonly string[]): void {
  bindMount(source, target);
  const wanted = new Set([...(mountOf(target)?.options ?? []), ...flags]);
  let bits = wanted.has("ro") ? MountFlag.readonly : 0;
  for (const attribute of ATTRIBUTES) if (wanted.has(attribute)) bits |= MountFlag[attribute];
  if (bits === 0) return;
  try {
    mount({ source, target, flags: MountFlag.bind | MountFlag.remount | bits });
  } catch (thrown) {
    unmount(target);
    throw thrown;
  }
}

/** Shows the file system of an image at `target`, with the flags of the capability. */
export async function showImage(
  file: string,
  target: string,
  flags: readonly string[],
): Promise<void> {
  let bits = flags.includes("ro") ? MountFlag.readonly : 0;
  for (const attribute of ATTRIBUTES) if (flags.includes(attribute)) bits |= MountFlag[attribute];
  using mount = await openImage(file, bits);
  mount.attach(target);
}

/** Unmounts all that is stacked on `target`. Throws INTERNAL when it does not come to an end. */
export function unmountAll(target: string): void {
  for (let i = 0; i < STACKED_MAX; i++) if (!unmount(target)) return;
  throw internal(`more than ${STACKED_MAX} mounts on ${target}`);
}

/**
 * Removes the directory that was mounted on; it must be empty, so nothing is ever deleted that a
 * failed unmount left visible.
 */
export async function removeMountPoint(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT")) throw thrown;
  }
}
