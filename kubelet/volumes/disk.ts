import { mkdir } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { mount, MountFlag, unmount } from "@raft2kube/linux/mount.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import type { TearDownRequest } from "./plugin.ts";
import { VolumeError } from "./volume-error.ts";

/**
 * Whether something is mounted exactly there. The kernel is asked about this one name: its list of
 * all mounts is as long as pods make it, and each volume of each pod is asked about at each sync.
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
 * Makes `dir` a file system in memory, which secrets need so that they never touch a disk.
 * `options` are tmpfs's (`size=1048576`). False when it is one already: then nothing is done.
 */
export async function mountMemory(dir: string, options = ""): Promise<boolean> {
  await mkdir(dir, { recursive: true });
  if (isMountPoint(dir)) return false;
  const flags = MountFlag.nosuid | MountFlag.nodev;
  mount({ source: "tmpfs", target: dir, type: "tmpfs", flags, data: options });
  return true;
}

/**
 * Removes a directory and what is in it, after unmounting what the kubelet mounted on `dir` itself.
 * A mount further down (`inside`) is somebody else's data: StillMounted, and nothing is removed.
 */
export async function removeVolumeDir({ dir, inside }: TearDownRequest): Promise<void> {
  while (isMountPoint(dir)) unmount(dir);
  if (inside) throw new VolumeError("StillMounted", `${inside} is still mounted`);
  await removePath(dir);
}
