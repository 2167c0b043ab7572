import { mkdir, rm } from "node:fs/promises";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { mount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { inUserNamespace, readMappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import { RuntimeError } from "../errors.ts";
import type { ContainerPaths } from "../paths.ts";

/** overlayfs reads `:` and `,` in its options, and a backslash before them. */
function escapeOption(path: string): string {
  return path.replace(/[\\:,]/g, "\\$&");
}

/**
 * Throws for a layer that is a link, which would expose its target, a directory of the host. Only
 * the runtime writes where layers are, so that what was checked is what is mounted.
 */
export function requireDirectory(layer: string): void {
  try {
    Directory.open(layer)[Symbol.dispose]();
  } catch (cause) {
    throw new RuntimeError("failed-precondition", `the image's layer ${layer} is no directory`, {
      cause,
      remedy: "remove the image and pull it again",
    });
  }
}

/** Returns overlayfs's option for an image's layers, topmost first, which are checked. */
export function lowerDirectoriesOption(lower: string[]): string {
  lower.forEach(requireDirectory);
  return `lowerdir=${lower.map(escapeOption).join(":")}`;
}

/** Mounts a container's root: the image's layers, topmost first, under a folder of its own. */
export async function mountRootfs(paths: ContainerPaths, lower: string[]): Promise<void> {
  const layers = lowerDirectoriesOption(lower);
  for (const folder of [paths.upper, paths.work, paths.rootfs]) {
    await mkdir(folder, { recursive: true, mode: 0o755 });
  }
  const data = [
    layers,
    `upperdir=${escapeOption(paths.upper)}`,
    `workdir=${escapeOption(paths.work)}`,
    // Where only root may set trusted attributes, overlayfs keeps its marks in the user's.
    ...(inUserNamespace(readMappedIds()) ? ["userxattr"] : []),
  ].join(",");
  mount({ source: "overlay", target: paths.rootfs, type: "overlay", data });
}

/** Unmounts the root. Idempotent. */
export function unmountRootfs(paths: ContainerPaths): void {
  unmount(paths.rootfs, { detach: true });
}

/** Removes what a container wrote and its bundle, after its root is unmounted. */
export async function removeContainerFiles(paths: ContainerPaths): Promise<void> {
  await removePath(paths.run);
  await rm(paths.exitFile, { force: true });
  await removePath(paths.data);
}
