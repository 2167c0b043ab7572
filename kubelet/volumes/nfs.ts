import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, rmdir } from "node:fs/promises";
import { promisify } from "node:util";
import { unmount } from "@raft2kube/linux/mount.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { NFS_MOUNT_TIMEOUT_MS } from "../limits.ts";
import { isMountPoint } from "./disk.ts";
import type { VolumePlugin, VolumeSpec } from "./plugin.ts";
import { VolumeError } from "./volume-error.ts";

const run = promisify(execFile);

/** A directory of a server, and how it is mounted. */
interface Export {
  server: string;
  path: string;
  readOnly: boolean;
  options: readonly string[];
}

/**
 * `nfs` volumes, and PersistentVolumes of that kind, mounted by `mount.nfs`. Needs the kernel's NFS
 * client and that program. `filesystems` is the kernel's list.
 */
export function nfsPlugin(filesystems = "/proc/filesystems"): VolumePlugin {
  return {
    name: "kubernetes.io~nfs",
    supports: (spec) => exportOf(spec) !== undefined,
    async setUp({ spec, dir, readOnly }) {
      const { server, path, options, ...source } = exportOf(spec)!;
      if (isMountPoint(dir)) return { kind: "filesystem", hostPath: dir, readOnly };
      requireClient(filesystems);
      await mkdir(dir, { recursive: true, mode: 0o750 });
      const flags = source.readOnly ? [...options, "ro"] : options;
      const how = flags.length > 0 ? ["-o", flags.join(",")] : [];
      try {
        const limits = { timeout: NFS_MOUNT_TIMEOUT_MS, killSignal: "SIGKILL" } as const;
        await run("mount", ["-t", "nfs", ...how, "--", `${server}:${path}`, dir], limits);
      } catch (cause) {
        throw new VolumeError("MountFailed", `mount of ${server}:${path}: ${messageOf(cause)}`, {
          cause,
          remedy: "check the server, its exports, and that mount.nfs (nfs-common) is installed",
        });
      }
      return { kind: "filesystem", hostPath: dir, readOnly: source.readOnly || readOnly };
    },
    // Its content is the server's: nothing is removed but the empty directory.
    async tearDown({ dir }) {
      while (isMountPoint(dir)) unmount(dir);
      try {
        await rmdir(dir);
      } catch (thrown) {
        if (!isErrno(thrown, "ENOENT")) throw thrown;
      }
    },
  };
}

function exportOf({ volume, claim }: VolumeSpec): Export | undefined {
  const source = claim ? claim.pv.spec.nfs : volume.nfs;
  if (!source) return undefined;
  const ofClaim = volume.persistentVolumeClaim?.readOnly ?? false;
  const { server, path, readOnly = false } = source;
  const options = claim?.pv.spec.mountOptions ?? [];
  return { server, path, readOnly: readOnly || ofClaim, options };
}

function requireClient(filesystems: string): void {
  const known = readFileSync(filesystems, "utf8").split(/\s+/);
  if (known.includes("nfs") || known.includes("nfs4")) return;
  throw new VolumeError("NotSupported", "this node's kernel has no NFS client", {
    remedy: "load the module nfs (modprobe nfs), or run the pod on a node whose kernel has it",
  });
}
