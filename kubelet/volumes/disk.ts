import { mkdir } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { mount, MountFlag, unmount } from "@raft2kube/linux/mount.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import type { TearDownRequest } from "./plugin.ts";
import { VolumeError } from "./volume-error.ts";

/**
 * Whether `path` is a mount point. Only this name is looked up: the kernel's list of all mounts is
 * as long as pods make it, and each volume of each pod is checked at each sync.
 */
export function isMountPoint(path: string): boolean {
  try {
    using parent = Directory.open(dirname(path));
    using _ = parent.handle(basename(path), { oneMount: true });
    return false;
  } catch (thrown) {
    if (isErrno(thrown, "EXDEV")) return true;
    if (isErrno(thrown, "ENOENT", "ENOTDIR")) return false;
    throw thrown;
  }
}

/**
 * Mounts a tmpfs at `dir`, so that secrets are never on disk. `options` are tmpfs's
 * (`size=1048576`). Returns false, and does nothing, when it is one already.
 */
export async function mountMemory(dir: string, options = ""): Promise<boolean> {
  await mkdir(dir, { recursive: true });
  if (isMountPoint(dir)) return false;
  const flags = MountFlag.nosuid | MountFlag.nodev;
  mount({ source: "tmpfs", target: dir, type: "tmpfs", flags, data: options });
  return true;
}

/**
 * Removes a directory and its contents, after unmounting what the kubelet mounted on `dir` itself.
 * A mount further down (`inside`) is another volume's data: throws StillMounted and removes
 * nothing.
 */
export async function removeVolumeDir({ dir, inside }: TearDownRequest): Promise<void> {
  while (isMountPoint(dir)) unmount(dir);
  if (inside) throw new VolumeError("StillMounted", `${inside} is still mounted`);
  await removePath(dir);
}
