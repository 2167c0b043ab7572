import { realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type MountInfo, mountOf, readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { NETWORK_FILE_SYSTEMS } from "../limits.ts";
import { VolumeError } from "./volume-error.ts";

/** Work on a volume by calls into its files, which the kubelet's only thread makes. */
export interface FileWork {
  path: string;
  /** A directory of the kubelet's own, without which it cannot run in any case. */
  own: string;
  /** The beginning of the error: `subPath a of volume v is not supported`. */
  what: string;
  remedy: string;
}

/**
 * Throws NotSupported for a volume that is a mount of a network file system: its server, or the
 * program of a FUSE file system, may never answer, and a call into it would stop the kubelet and
 * all pods of the node with it. Only the kernel's list of mounts is read, nothing of the volume,
 * unless its path is a link. A file system that the kubelet's own files are on is no such volume.
 */
export async function requireLocal(
  { path, own, what, remedy }: FileWork,
  mounts: () => MountInfo[] = readMountInfo,
): Promise<void> {
  const parent = await realpath(dirname(path));
  const listed = mounts();
  const device = mountOf(await realpath(own), listed)?.device;
  const requireOf = (real: string) => {
    const mount = mountOf(real, listed);
    if (!mount || mount.device === device || !isNetworkType(mount.type)) return;
    const why =
      `${what}: it is mounted from ${mount.source} by ${mount.type}, and a server that does not ` +
      "answer would stop the kubelet";
    throw new VolumeError("NotSupported", why, { remedy });
  };
  const real = join(parent, basename(path));
  requireOf(real);
  requireOf(await realpath(real));
}

/** Describes the change of a CSI volume's files to the pod's fsGroup. */
export const fsGroupWork = (
  { driver, fsGroupPolicy }: { driver: string; fsGroupPolicy: string },
  { name, path, own }: { name: string; path: string; own: string },
): FileWork => ({
  path,
  own,
  what:
    `fsGroup of volume ${name} is not supported with driver ${driver}'s fsGroupPolicy ` +
    fsGroupPolicy,
  remedy: `set fsGroupPolicy: None in CSIDriver ${driver}: the server decides who may write`,
});

/** Whether a server, or a program, answers for the files of this type of file system. */
export function isNetworkType(type: string): boolean {
  return type.startsWith("fuse") || NETWORK_FILE_SYSTEMS.includes(type);
}
