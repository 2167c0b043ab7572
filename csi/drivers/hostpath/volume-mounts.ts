import { lstatSync, statSync } from "node:fs";
import path from "node:path";
import { splitDeviceNumber } from "@raft2kube/linux/file/special-file.ts";
import {
  attachedLoopDevices,
  deviceNumber,
  fileOfLoopDevice,
  loopDevicesOf,
  loopNodes,
} from "@raft2kube/linux/mount/loop-device.ts";
import { type MountInfo, mountOf, readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";

/** The number of the kernel's driver for loop devices (admin-guide/devices.txt). */
const LOOP_MAJOR = 7;

/**
 * The mounts of a volume: its staging and target paths. The kernel's own tables
 * are asked, so the answer holds after any crash. `content`, an image or a directory, is absolute
 * and has no links in it. No mount point is visited: a tenant names the directories of NFS servers,
 * and one that does not answer would block the caller.
 */
export function mountsOfVolume(
  content: string,
  mounts: MountInfo[] = readMountInfo(),
): MountInfo[] {
  if (!statSync(content, { throwIfNoEntry: false })?.isFile()) return mountsOf(content, mounts);
  const names = loopDevicesOf(content);
  const devices = new Set(names.map(deviceNumber));
  const nodes = loopNodes(mounts);
  return mounts.filter(
    (mount) => devices.has(mount.device) || names.includes(nodes.get(mount) ?? ""),
  );
}

/** The loop device of the image whose node is at `point`, as `loop3`. */
export function loopDeviceAt(content: string, point: string): string | undefined {
  const found = loopDeviceWithNodeAt(point);
  return found?.file === content ? found.name : undefined;
}

/** The attached loop device whose node is at `point`, of any file. */
export function loopDeviceWithNodeAt(point: string): { name: string; file: string } | undefined {
  const found = lstatSync(point, { throwIfNoEntry: false });
  if (!found?.isBlockDevice()) return undefined;
  const { major, minor } = splitDeviceNumber(found.rdev);
  return attachedLoopDevices().find(({ name }) => deviceNumber(name) === `${major}:${minor}`);
}

/**
 * Whether the node of a loop device is at `point`. A pod may give a read-only device another file
 * (LOOP_CHANGE_FD needs no capability), after which nothing says whose it was: to unmount a node
 * removes nothing.
 */
export function isLoopDeviceNode(point: string): boolean {
  const found = lstatSync(point, { throwIfNoEntry: false });
  return found?.isBlockDevice() === true && splitDeviceNumber(found.rdev).major === LOOP_MAJOR;
}

/**
 * Whether the image `content` is mounted at `point`, asked of its loop device alone: statistics are
 * read often, and mounts and loop devices are many. False does not say that it is not.
 */
export function isImageAt(content: string, point: string): boolean {
  const [at, above] = [point, path.dirname(point)].map((file) => {
    return lstatSync(file, { throwIfNoEntry: false })?.dev;
  });
  return at !== undefined && at !== above && fileOfLoopDevice(at) === content;
}

/** The mounts of a directory, or of one below it, elsewhere. */
function mountsOf(directory: string, mounts: MountInfo[]): MountInfo[] {
  const under = mountOf(directory, mounts);
  if (!under) return [];
  const root = path.join(under.root, path.relative(under.mountPoint, directory));
  return mounts.filter(
    (mount) =>
      mount.device === under.device && (mount.root === root || mount.root.startsWith(`${root}/`)),
  );
}
