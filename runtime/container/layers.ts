import { closeSync, openSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { attachMount, cloneMount, setMountAttributes } from "@raft2kube/linux/mount/mount-tree.ts";
import { inUserNamespace, readMappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import { RuntimeError } from "../errors.ts";
import type { ContainerPaths } from "../paths.ts";

/** overlayfs reads `:` and `,` in its options, and a backslash before them. */
export const escapeOption = (path: string): string => path.replace(/[\\:,]/g, "\\$&");

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

/** Returns overlayfs's options for an image's layers, topmost first, which are checked. */
export function layersOptions(lower: string[]): string {
  lower.forEach(requireDirectory);
  // Where only root may set trusted attributes, overlayfs keeps its marks in the user's.
  const marks = inUserNamespace(readMappedIds()) ? ",userxattr" : "";
  return `lowerdir=${lower.map(escapeOption).join(":")}${marks}`;
}

/** The users of a pod with a user namespace of its own. */
export interface PodUsers {
  /** Where the namespace can be joined. */
  namespace: string;
  /** The ids that the pod's root has on the node. */
  uid: number;
  gid: number;
}

/**
 * Calls `use` with an image's layers as a user namespace is to see them: the files of root are the
 * pod's root's, though the layers are shared and do not change. Overlayfs cannot be mounted with
 * mapped ids, its layers can (Linux 5.19), and it keeps mounts of its own of them: these end here.
 */
export async function withMappedLayers<T>(
  { volumes }: ContainerPaths,
  lower: string[],
  { namespace }: PodUsers,
  use: (mapped: string[]) => T,
): Promise<T> {
  const mapped: string[] = [];
  const userNamespace = openSync(namespace, "r");
  try {
    for (const [index, layer] of lower.entries()) {
      requireDirectory(layer);
      const target = path.join(volumes, `layer-${index}`);
      await mkdir(target, { recursive: true, mode: 0o700 });
      mountMapped(layer, target, userNamespace);
      mapped.push(target);
    }
    return use(mapped);
  } finally {
    for (const target of mapped) unmount(target, { detach: true });
    closeSync(userNamespace);
  }
}

function mountMapped(layer: string, target: string, userNamespace: number): void {
  const mount = cloneMount(layer, { recursive: false });
  try {
    setMountAttributes(mount, { set: 0, userNamespace, recursive: false });
    attachMount(mount, target);
  } finally {
    closeSync(mount);
  }
}
