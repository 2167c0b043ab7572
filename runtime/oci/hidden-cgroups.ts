import type { CgroupMode } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { mount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { giveBackHybridControllers, isHybrid, takeHybridControllers } from "./hybrid-cgroups.ts";

/** Arguments of crun that say how it deals with cgroups, before its command. */
export function managerArgs(mode: CgroupMode): string[] {
  return mode === "none" ? ["--cgroup-manager=disabled"] : [];
}

/**
 * Makes this machine's cgroups such that crun works with them, or without them for `none`, until it
 * is disposed of. `mark` is a path of the caller's own.
 */
export function prepareCgroups(mode: CgroupMode, mark: string): Disposable {
  const [take, giveBack] =
    mode === "none"
      ? ([hideCgroups, showCgroups] as const)
      : ([takeHybridControllers, giveBackHybridControllers] as const);
  take(mark);
  return { [Symbol.dispose]: () => giveBack(mark) };
}

/** The covers over the v2 hierarchy, by their marks, the lowest first. */
function covers(target: string): string[] {
  return readMountInfo()
    .filter(({ type, mountPoint }) => type === "tmpfs" && mountPoint === target)
    .map(({ source }) => source);
}

const cover = (mark: string, target: string) =>
  mount({ source: mark, target, type: "tmpfs", data: "size=4k" });

const unified = () => readMountInfo().find(({ type }) => type === "cgroup2")?.mountPoint;

/**
 * Hides the v2 hierarchy of a hybrid machine from crun, which refuses one with controllers even
 * with cgroups disabled, and which an ordinary user cannot empty: an empty file system is mounted
 * over it, named `mark` so that it is found again. Each runtime has a cover of its own, also where
 * another's hides the hierarchy now, or keeps its controllers. Does nothing on other machines.
 */
export function hideCgroups(mark: string): void {
  const target = unified();
  if (target === undefined || !isHybrid() || covers(target).includes(mark)) return;
  cover(mark, target);
}

/** Takes that away, and leaves the covers of others; again is no error. */
export function showCgroups(mark: string): void {
  const target = unified();
  const all = target === undefined ? [] : covers(target);
  const at = all.lastIndexOf(mark);
  if (target === undefined || at < 0) return;
  // Only the uppermost can be taken off: those above are put on again.
  for (let index = all.length - 1; index >= at; index--) unmount(target, { detach: true });
  for (const other of all.slice(at + 1)) cover(other, target);
}
