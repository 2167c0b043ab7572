import { mount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { hybridControllers } from "./hybrid-cgroups.ts";

const isHidden = (mark: string) => readMountInfo().some(({ source }) => source === mark);

/**
 * Hides the v2 hierarchy of a hybrid machine from crun, which refuses one with controllers even
 * with cgroups disabled, and which an ordinary user cannot empty: an empty file system is mounted
 * over it, named `mark` so that it is found again. Does nothing on other machines.
 */
export function hideCgroups(mark: string): void {
  if (isHidden(mark) || hybridControllers().length === 0) return;
  const unified = readMountInfo().find(({ type }) => type === "cgroup2");
  if (unified) mount({ source: mark, target: unified.mountPoint, type: "tmpfs", data: "size=4k" });
}

/** Takes that away; again is no error. */
export function showCgroups(mark: string): void {
  const hidden = readMountInfo().find(({ source }) => source === mark);
  if (hidden) unmount(hidden.mountPoint, { detach: true });
}
