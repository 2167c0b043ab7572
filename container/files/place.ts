import { statSync } from "node:fs";
import path from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { isMountPoint } from "@raft2kube/linux/mount/mount-point.ts";
import { mountRootfs, unmountRootfs } from "@raft2kube/runtime/container/rootfs.ts";
import type { HandContainer } from "../engine/hand.ts";
import type { Engine } from "../engine/open-engine.ts";

/** A place: its tree, open, so that it can be read after others have unmounted it, and its path. */
export type Place = { root: Directory; inside: string };

/** Runs `work` while a container's root is mounted, whether it runs or not. */
export async function withRoot<T>(
  { runtime }: Engine,
  { record }: HandContainer,
  work: (rootfs: string) => Promise<T>,
): Promise<T> {
  const paths = runtime.paths.container(record.id);
  if (isMountPoint(paths.rootfs)) return await work(paths.rootfs);
  await mountRootfs(paths, runtime.images.lowerDirectories(record.image));
  try {
    return await work(paths.rootfs);
  } finally {
    await unmountRootfs(paths);
  }
}

/** Opens the tree of a container's path: its root, or what is mounted over it. */
export function placeIn(rootfs: string, { hand }: HandContainer, given: string): Place {
  const full = path.posix.normalize(`/${given}`);
  const mounted = hand.mounts
    .filter(
      ({ destination, type }) =>
        type !== "tmpfs" && (full === destination || full.startsWith(`${destination}/`)),
    )
    .sort((a, b) => b.destination.length - a.destination.length)[0];
  if (mounted === undefined) return { root: Directory.open(rootfs), inside: full.slice(1) || "." };
  const rest = full.slice(mounted.destination.length + 1);
  if (statSync(mounted.source).isFile()) {
    const { dir, base } = path.parse(mounted.source);
    return { root: Directory.open(dir), inside: base };
  }
  return { root: Directory.open(mounted.source), inside: rest || "." };
}
