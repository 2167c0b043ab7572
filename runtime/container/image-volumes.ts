import { readlinkSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import path from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { bindMount, MountFlag, mount, unmount } from "@raft2kube/linux/mount/mount.ts";
import type { Mount } from "@raft2kube/proto/gen/cri.ts";
import { errno, isErrno, tolerate } from "@raft2kube/std/errors.ts";
import { RuntimeError } from "../errors.ts";
import type { ContainerPaths } from "../paths.ts";
import type { Images } from "../ports.ts";
import { layersOptions, type PodUsers, requireDirectory, withMappedLayers } from "./layers.ts";

const READ_ONLY = MountFlag.readonly | MountFlag.nosuid | MountFlag.nodev;

/** Mounts of a container whose images are mounted, and the layers that they use. */
export type ImageVolumes = { mounts: Mount[]; diffIds: string[] };

/**
 * Mounts the images that a container has as volumes (CRI `Mount.image`), read-only, in a folder of
 * the container. Returns its mounts with these as their sources. Throws not-found for an image that
 * is not present, and invalid-argument for a sub-path that is not in it.
 */
export async function mountImageVolumes(
  runtime: Images,
  paths: ContainerPaths,
  mounts: readonly Mount[],
  users?: PodUsers,
): Promise<ImageVolumes> {
  const volumes: ImageVolumes = { mounts: [], diffIds: [] };
  for (const [index, each] of mounts.entries()) {
    if (each.image === undefined) {
      volumes.mounts.push(each);
      continue;
    }
    if (!each.readonly) {
      const message = `the image at ${each.containerPath} must be mounted read-only`;
      throw new RuntimeError("invalid-argument", message);
    }
    const image = runtime.images.get(each.image.image);
    const target = path.join(paths.volumes, String(index));
    await mkdir(target, { recursive: true, mode: 0o755 });
    const layers = runtime.images.lowerDirectories(image);
    if (users === undefined) mountLayers(layers, target);
    else await withMappedLayers(paths, layers, users, (mapped) => mountLayers(mapped, target));
    const hostPath = subPathIn(target, each.imageSubPath);
    volumes.mounts.push({ ...each, hostPath, image: undefined });
    volumes.diffIds.push(...image.diffIds);
  }
  return volumes;
}

/** Unmounts a container's image volumes. Idempotent. */
export async function unmountImageVolumes(paths: ContainerPaths): Promise<void> {
  const names = await tolerate(readdir(paths.volumes), errno("ENOENT", "ENOTDIR"));
  if (names === undefined) return;
  for (const name of names) unmount(path.join(paths.volumes, name), { detach: true });
}

/**
 * Mounts an image's layers at `target`; throws for a layer that is a link. An overlay without an
 * upper directory needs two layers; a single one is bind-mounted.
 */
export function mountLayers(lower: string[], target: string): void {
  const [only] = lower;
  if (only === undefined) return;
  if (lower.length > 1) {
    const data = layersOptions(lower);
    mount({ source: "overlay", target, type: "overlay", data, flags: READ_ONLY });
    return;
  }
  requireDirectory(only);
  bindMount(only, target);
  try {
    mount({ source: only, target, flags: MountFlag.bind | MountFlag.remount | READ_ONLY });
  } catch (thrown) {
    unmount(target);
    throw thrown;
  }
}

/** The path of a file or directory of the image; links in it do not lead out of it. */
function subPathIn(root: string, subPath: string): string {
  if (subPath === "") return root;
  try {
    using image = Directory.open(root);
    using found = image.handle(subPath, { links: "beneath" });
    return readlinkSync(`/proc/self/fd/${found.fd}`);
  } catch (cause) {
    if (!isErrno(cause, "ENOENT", "ENOTDIR", "EXDEV", "ELOOP", "EINVAL")) throw cause;
    const message = `sub-path ${subPath} is not in the image`;
    throw new RuntimeError("invalid-argument", message, { cause });
  }
}
