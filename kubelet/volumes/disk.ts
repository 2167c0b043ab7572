import { mkdir } from "node:fs/promises";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { mount, MountFlag, unmount } from "@raft2kube/linux/mount.ts";
import { mountPointsBelow, readMountInfo } from "@raft2kube/linux/mountinfo.ts";
import { VolumeError } from "./volume-error.ts";

/** Whether something is mounted exactly there. */
export function isMountPoint(path: string): boolean {
  return readMountInfo().some(({ mountPoint }) => mountPoint === path);
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
 * A mount further down is somebody else's data: StillMounted, and nothing is removed.
 */
export async function removeVolumeDir(dir: string): Promise<void> {
  while (isMountPoint(dir)) unmount(dir);
  const [inside] = mountPointsBelow(dir);
  if (inside) throw new VolumeError("StillMounted", `${inside} is still mounted`);
  await removePath(dir);
}
