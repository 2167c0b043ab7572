import { readlinkSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import path from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import {
  bindMount,
  MountFlag,
  mount,
  unmount,
  unmountAside,
} from "@raft2kube/linux/mount/mount.ts";
import type { Mount } from "@raft2kube/proto/gen/cri.ts";
import { errno, isErrno, tolerate } from "@raft2kube/std/errors.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { RuntimeError } from "../errors.ts";
import type { ContainerPaths } from "../paths.ts";
import type { Images } from "../ports.ts";
import { layersOptions, type PodUsers, requireDirectory, withMappedLayers } from "./layers.ts";

const READ_ONLY = MountFlag.readonly | MountFlag.nosuid | MountFlag.nodev;

/** Mounts of a container whose images are mounted, and the layers that they use. */
export type ImageVolumes = { mounts: Mount[]; diffIds: string[] };

/**
 * Mounts the images that a container has as volumes (CRI `Mount.image`), read-only, in folders of
 * the container: each image once, which a container may mount 20,000 times. Returns its mounts with
 * these as their sources. Throws not-found for an image that is not present, and invalid-argument
 * for a sub-path that is not in it.
 */
export async function mountImageVolumes(
  runtime: Images,
  paths: ContainerPaths,
  mounts: readonly Mount[],
  users?: PodUsers,
): Promise<ImageVolumes> {
  const own: Mount[] = [];
  const folders = new Map<string, string>();
  const diffIds = new Set<string>();
  const slices = new Slices();
  for (const each of mounts) {
    if (each.image === undefined) {
      own.push(each);
      continue;
    }
    if (!each.readonly) {
      const message = `the image at ${each.containerPath} must be mounted read-only`;
      throw new RuntimeError("invalid-argument", message);
    }
    if (slices.due) await slices.pause();
    const image = runtime.images.get(each.image.image);
    const folder = folders.get(image.id) ?? path.join(paths.volumes, String(folders.size));
    if (!folders.has(image.id)) {
      folders.set(image.id, folder);
      await mkdir(folder, { recursive: true, mode: 0o755 });
      const layers = runtime.images.lowerDirectories(image);
      if (users === undefined) mountLayers(layers, folder);
      else await withMappedLayers(paths, layers, users, (mapped) => mountLayers(mapped, folder));
      for (const diffId of image.diffIds) diffIds.add(diffId);
    }
    own.push({ ...each, hostPath: subPathIn(folder, each.imageSubPath), image: undefined });
  }
  return { mounts: own, diffIds: [...diffIds] };
}

/** Unmounts a container's image volumes. Idempotent. */
export async function unmountImageVolumes(paths: ContainerPaths, owner?: string): Promise<void> {
  const names = await tolerate(readdir(paths.volumes), errno("ENOENT", "ENOTDIR"));
  if (names === undefined) return;
  for (const name of names)
    await unmountAside(path.join(paths.volumes, name), { detach: true, owner });
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
