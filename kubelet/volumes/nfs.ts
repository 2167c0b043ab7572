import { readFileSync } from "node:fs";
import { mkdir, rmdir } from "node:fs/promises";
import { isMountPoint } from "@raft2kube/linux/mount/mount-point.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { errno, messageOf, tolerate } from "@raft2kube/std/errors.ts";
import { TimedTurns } from "@raft2kube/std/turns.ts";
import {
  NFS_MOUNT_TIMEOUT_MS,
  NFS_MOUNTS_AT_ONCE_MAX,
  NFS_UNMOUNT_TIMEOUT_MS,
  VOLUME_TURN_MS,
} from "../limits.ts";
import { namespaceOf } from "../pods/pod-identity.ts";
import { programPath, runBounded } from "./bounded-program.ts";
import type { VolumePlugin, VolumeSpec } from "./plugin.ts";
import { VolumeError } from "./volume-error.ts";

/** Seams for tests: the kernel's list of file systems, other programs, shorter times. */
export interface NfsOptions {
  /** Whether pods' own volumes are refused; PersistentVolumes are not. */
  refuseOwn?: boolean;
  filesystems?: string;
  mountProgram?: string;
  unmountProgram?: string;
  mountTimeout_ms?: number;
  unmountTimeout_ms?: number;
  clock?: Clock;
}

/** A directory of a server, and how it is mounted. */
type Export = { server: string; path: string; readOnly: boolean; options: readonly string[] };

/**
 * `nfs` volumes, and PersistentVolumes of that kind, mounted by `mount.nfs`. Needs the kernel's NFS
 * client and that program. A server is the pods' owner's and may never answer, so that every call
 * which could wait for it is made by another process, of which some are started at a time: a pod
 * may have hundreds of volumes. fsGroup is not applied, as in upstream.
 */
export function nfsPlugin(options: NfsOptions = {}): VolumePlugin {
  const places = NFS_MOUNTS_AT_ONCE_MAX;
  const { clock = systemClock() } = options;
  const turns = new TimedTurns(clock, { places, turn_ms: VOLUME_TURN_MS });
  return {
    name: "kubernetes.io~nfs",
    supports: (spec) => exportOf(spec) !== undefined,
    async setUp({ pod, spec, dir, readOnly }) {
      const source = exportOf(spec)!;
      if (options.refuseOwn && !spec.claim?.pvc) throw refusedOwn(source.server);
      const ready = { kind: "filesystem", hostPath: dir } as const;
      if (!isMountPoint(dir)) {
        await turns.run(namespaceOf(pod), () => mountExport(source, dir, options));
      }
      return { ...ready, readOnly: source.readOnly || readOnly };
    },
    // Its content is the server's: nothing is removed but the empty directory.
    async tearDown({ dir, owner = "" }) {
      await turns.run(owner, () => unmountExport(dir, options));
      await tolerate(rmdir(dir), errno("ENOENT"));
    },
  };
}

/**
 * Refuses any server: the kernel's client follows a server's referrals to others (RFC 8881, 11.5),
 * also to one that trusts the nodes.
 */
const refusedOwn = (server: string) =>
  new VolumeError("NotSupported", `a pod's own volume may not name nfs server ${server}`, {
    remedy: "a PersistentVolume, by an administrator: in this cluster a server trusts the nodes",
  });

async function mountExport(
  { server, path, readOnly, options }: Export,
  dir: string,
  { filesystems, mountProgram, mountTimeout_ms = NFS_MOUNT_TIMEOUT_MS }: NfsOptions,
): Promise<void> {
  if (server.startsWith("-")) {
    throw new VolumeError("NotSupported", `nfs server ${server} is no host name`, {
      remedy: "a name or an address does not begin with -",
    });
  }
  requireClient(filesystems);
  const program = mountProgram ?? (await programPath("mount.nfs", "install it (nfs-common)"));
  await mkdir(dir, { recursive: true, mode: 0o750 });
  const flags = readOnly ? [...options, "ro"] : options;
  const how = flags.length > 0 ? ["-o", flags.join(",")] : [];
  try {
    await runBounded(program, [`${server}:${path}`, dir, ...how], mountTimeout_ms);
  } catch (cause) {
    throw new VolumeError("MountFailed", `mount of ${server}:${path}: ${messageOf(cause)}`, {
      cause,
      remedy: "check the server and its exports",
    });
  }
}

/**
 * Takes all mounts on `dir` away. One whose server does not take the node's writes in time leaves
 * the tree; the kernel writes them when the server returns. Detaching can wait as well, when the
 * last user of the file system is gone. Throws StillMounted.
 */
async function unmountExport(
  dir: string,
  { unmountProgram, unmountTimeout_ms = NFS_UNMOUNT_TIMEOUT_MS }: NfsOptions,
): Promise<void> {
  if (!isMountPoint(dir)) return;
  const program = unmountProgram ?? (await programPath("umount", "install it (util-linux)"));
  for (let i = 0; isMountPoint(dir); i++) {
    if (i === STACKED_MAX) {
      throw new VolumeError("StillMounted", `more than ${STACKED_MAX} mounts on ${dir}`);
    }
    const failure = await failureOf(runBounded(program, [...UNMOUNT, dir], unmountTimeout_ms));
    if (failure === undefined || !isMountPoint(dir)) continue;
    const detaching = runBounded(program, ["-l", ...UNMOUNT, dir], unmountTimeout_ms);
    const second = await failureOf(detaching);
    if (second === undefined || !isMountPoint(dir)) continue;
    const message = `${dir} cannot be unmounted: ${messageOf(failure)}; ${messageOf(second)}`;
    throw new VolumeError("StillMounted", message, { cause: failure });
  }
}

/** No helper program, no table of mounts, and no look at the directory, which the server has. */
const UNMOUNT = ["-i", "-n", "-c", "--"];
/** Mounts stacked on one directory that are taken away. */
const STACKED_MAX = 16;

async function failureOf(made: Promise<void>): Promise<unknown> {
  try {
    await made;
    return undefined;
  } catch (thrown) {
    return thrown;
  }
}

function exportOf({ volume, claim }: VolumeSpec): Export | undefined {
  const source = claim ? claim.pv.spec.nfs : volume.nfs;
  if (!source) return undefined;
  const ofClaim = volume.persistentVolumeClaim?.readOnly ?? false;
  const { server, path, readOnly = false } = source;
  const options = claim?.pv.spec.mountOptions ?? [];
  return { server, path, readOnly: readOnly || ofClaim, options };
}

/** Whether this machine's kernel has an NFS client, by its list of file systems. */
export function hasNfsClient(filesystems = "/proc/filesystems"): boolean {
  const known = readFileSync(filesystems, "utf8").split(/\s+/);
  return known.includes("nfs") || known.includes("nfs4");
}

function requireClient(filesystems: string | undefined): void {
  if (hasNfsClient(filesystems)) return;
  throw new VolumeError("NotSupported", "this node's kernel has no NFS client", {
    remedy: "load the module nfs (modprobe nfs), or run the pod on a node whose kernel has it",
  });
}
