import path from "node:path";
import { mountOf, readMountInfo, type MountInfo } from "@raft2kube/linux/mountinfo.ts";

/**
 * The mounts that show a volume's directory, or one below it, somewhere else: its staging and
 * target paths. The kernel's own table is asked, so the answer holds after any crash. `directory`
 * is absolute and has no links in it.
 */
export function mountsOfVolume(
  directory: string,
  mounts: MountInfo[] = readMountInfo(),
): MountInfo[] {
  const under = mountOf(directory, mounts);
  if (!under) return [];
  const root = path.join(under.root, path.relative(under.mountPoint, directory));
  return mounts.filter(
    (mount) =>
      mount.device === under.device && (mount.root === root || mount.root.startsWith(`${root}/`)),
  );
}

/** What is mounted exactly at `point`, the topmost when several are stacked. */
export function mountAt(
  point: string,
  mounts: MountInfo[] = readMountInfo(),
): MountInfo | undefined {
  return mounts.findLast((mount) => mount.mountPoint === point);
}

/** Whether writing through this mount is refused. */
export function isReadOnly(mount: MountInfo): boolean {
  return mount.options.includes("ro");
}
