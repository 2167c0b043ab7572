import type { Stats } from "node:fs";
import { mkdir, open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { errno, tolerate } from "@raft2kube/std/errors.ts";
import { type OwnFolders, ownPath } from "../plugins/customary-root.ts";
import type { VolumePlugin, VolumeSpec } from "./plugin.ts";
import { VolumeError } from "./volume-error.ts";

/**
 * `hostPath` volumes and PersistentVolumes: a path of the node. The folders of kubelets, as
 * manifests name them, are this one's own.
 */
export function hostPathPlugin(own: OwnFolders): VolumePlugin {
  return {
    name: "kubernetes.io~host-path",
    supports: (spec) => sourceOf(spec) !== undefined,
    async setUp({ spec, ...request }) {
      const readOnly = request.readOnly || (spec.volume.persistentVolumeClaim?.readOnly ?? false);
      const { path: named, type } = sourceOf(spec)!;
      const path = ownPath(named, own);
      await ensurePath(path, type);
      return { kind: "filesystem", hostPath: path, readOnly };
    },
    // The path is the node's: nothing is removed.
    tearDown: async () => {},
  };
}

function sourceOf({ volume, claim }: VolumeSpec): { path: string; type: string } | undefined {
  const source = claim ? claim.pv.spec.hostPath : volume.hostPath;
  return source ? { path: source.path, type: source.type ?? "" } : undefined;
}

/** Checks or creates the path by its type. Throws VolumeError with upstream's message. */
export async function ensurePath(path: string, type: string): Promise<void> {
  const found = await statOf(path);
  if (type === "DirectoryOrCreate" && !found) {
    await mkdir(path, { recursive: true, mode: 0o755 });
    return;
  }
  if (type === "FileOrCreate" && !found) {
    await makeFile(path);
    return;
  }
  const check = CHECKS[type];
  if (!check) throw new VolumeError("NotSupported", `unknown hostPath type ${type}`);
  if (!check.holds(found)) {
    const message = `hostPath type check failed: ${path} is not a ${check.noun}`;
    throw new VolumeError("InvalidPath", message);
  }
}

async function makeFile(path: string): Promise<void> {
  if (!(await statOf(dirname(path)))?.isDirectory()) {
    const message = `hostPath type check failed: the directory of ${path} does not exist`;
    throw new VolumeError("InvalidPath", message);
  }
  await (await open(path, "a", 0o644)).close();
}

async function statOf(path: string): Promise<Stats | undefined> {
  return tolerate(stat(path), errno("ENOENT", "ENOTDIR"));
}

const CHECKS: Record<string, { noun: string; holds(found: Stats | undefined): boolean }> = {
  "": { noun: "path", holds: () => true },
  Directory: { noun: "directory", holds: (found) => found?.isDirectory() ?? false },
  DirectoryOrCreate: { noun: "directory", holds: (found) => found?.isDirectory() ?? false },
  File: { noun: "file", holds: (found) => found?.isFile() ?? false },
  FileOrCreate: { noun: "file", holds: (found) => found?.isFile() ?? false },
  Socket: { noun: "socket file", holds: (found) => found?.isSocket() ?? false },
  CharDevice: { noun: "character device", holds: (found) => found?.isCharacterDevice() ?? false },
  BlockDevice: { noun: "block device", holds: (found) => found?.isBlockDevice() ?? false },
};
