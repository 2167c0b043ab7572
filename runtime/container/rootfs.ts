import { mkdir, rm } from "node:fs/promises";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { mount, unmountAside } from "@raft2kube/linux/mount/mount.ts";
import type { ContainerPaths } from "../paths.ts";
import { escapeOption, layersOptions, type PodUsers, withMappedLayers } from "./layers.ts";

/**
 * Mounts a container's root: the image's layers, topmost first, under a folder of its own, with the
 * owners that the pod's `users` have if it has a user namespace.
 */
export async function mountRootfs(
  paths: ContainerPaths,
  lower: string[],
  users?: PodUsers,
): Promise<void> {
  const isNew = (await mkdir(paths.upper, { recursive: true, mode: 0o755 })) !== undefined;
  for (const folder of [paths.work, paths.rootfs]) {
    await mkdir(folder, { recursive: true, mode: 0o755 });
  }
  if (users === undefined) {
    mountOverlay(paths, lower);
    return;
  }
  if (isNew) {
    using upper = Directory.open(paths.upper);
    upper.chown(users.uid, users.gid);
  }
  await withMappedLayers(paths, lower, users, (mapped) => mountOverlay(paths, mapped));
}

function mountOverlay(paths: ContainerPaths, lower: string[]): void {
  const data = [
    layersOptions(lower),
    `upperdir=${escapeOption(paths.upper)}`,
    `workdir=${escapeOption(paths.work)}`,
  ].join(",");
  mount({ source: "overlay", target: paths.rootfs, type: "overlay", data });
}

/** Unmounts the root, for `owner`, the namespace of the pod. Idempotent. */
export async function unmountRootfs(paths: ContainerPaths, owner?: string): Promise<void> {
  await unmountAside(paths.rootfs, { detach: true, owner });
}

/**
 * Removes what a container wrote and its bundle, after its root is unmounted. `owner` is the
 * namespace of its pod.
 */
export async function removeContainerFiles(paths: ContainerPaths, owner?: string): Promise<void> {
  await removePath(paths.run);
  await rm(paths.exitFile, { force: true });
  await removePath(paths.data, owner);
}
