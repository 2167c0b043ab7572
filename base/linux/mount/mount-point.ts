import { basename, dirname } from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { Directory } from "../beneath/directory.ts";
import { bindMount, MountFlag, mount } from "./mount.ts";
import { mountOf, mountPointsBelow, readMountInfo } from "./mountinfo.ts";

/**
 * Whether `path` is a mount point. Only this name is looked up, since the kernel's list of all
 * mounts is as long as pods make it, and nothing of the file system that is mounted there: its
 * server may not answer.
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
 * Puts a directory on a shared mount, unless it is on one, as all of a machine is under systemd:
 * what containers mount below it with `Bidirectional` propagation is then seen outside of them.
 * With mounts below it nothing is done, since the new one would hide them.
 */
export function shareMounts(directory: string): void {
  const mounts = readMountInfo();
  const isShared = mountOf(directory, mounts)?.propagation.some((tag) => tag.startsWith("shared:"));
  if (isShared || mountPointsBelow(directory, mounts).length > 0) return;
  bindMount(directory, directory);
  mount({ source: "none", target: directory, flags: MountFlag.shared });
}
