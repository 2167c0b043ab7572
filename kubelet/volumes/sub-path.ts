import { lstatSync } from "node:fs";
import { mkdir, realpath, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import type { Handle } from "@raft2kube/linux/beneath/handle.ts";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { bindMount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { isMountPoint } from "@raft2kube/linux/mount/mount-point.ts";
import type { MountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { errno, isErrno, tolerateSync } from "@raft2kube/std/errors.ts";
import { requireLocal } from "./network-mount.ts";
import { VolumeError } from "./volume-error.ts";

const NO_SUB_PATH = "mount the whole volume, or have a volume of that directory";

/**
 * Bind-mounts `subPath` of a volume at `target`, so that the container gets exactly the file that
 * was looked up here. A container of the pod may swap a directory for a link meanwhile; therefore
 * the lookup is the kernel's own beneath the volume, and its descriptor is what gets mounted
 * (CVE-2017-1002101, CVE-2021-25741). Links inside the volume may be used (ConfigMaps are made of
 * them), but not lead out of it. Missing parts of a subPath become directories with the volume's
 * mode. In a volume of a network file system it is NotSupported. A mount at `target` stays
 * if it is of that file, and is replaced if not (upstream: checkSubPathFileEqual). `beside`: a
 * directory of the kubelet's own.
 */
export async function mountSubPath(
  volume: { name: string; path: string },
  subPath: string,
  target: string,
  { beside, mounts }: { beside: string; mounts?: () => MountInfo[] },
): Promise<void> {
  if (subPath.startsWith("/") || subPath.split("/").includes("..")) throw leadsOut(subPath);
  const what = `subPath ${subPath} of volume ${volume.name} is not supported`;
  await requireLocal({ path: volume.path, own: beside, what, remedy: NO_SUB_PATH }, mounts);
  using root = Directory.open(await realpath(volume.path));
  using found = findOrMake(root, subPath);
  if (isMountPoint(target)) {
    if (isSameFile(found, target)) return;
    // A ConfigMap's file was replaced since the container was started before: it cannot be mounted.
    unmount(target, { detach: true });
    await removePath(target);
  }
  const isDirectory = found.stats().isDirectory();
  await mkdir(isDirectory ? target : dirname(target), { recursive: true });
  if (!isDirectory) await writeFile(target, "", { flag: "a" });
  bindMount(`/proc/self/fd/${found.fd}`, target);
}

function isSameFile(found: Handle, target: string): boolean {
  const { dev, ino } = lstatSync(target, { bigint: true });
  return found.inode() === ino && BigInt(found.stats().dev) === dev;
}

function leadsOut(subPath: string, cause?: unknown): VolumeError {
  return new VolumeError("InvalidPath", `subPath ${subPath} leads out of the volume`, { cause });
}

/**
 * Returns a handle of the subPath; missing parts are created as directories, through no link. The
 * part that exists is found by halves: a tenant may have made a thousand of its directories.
 */
function findOrMake(volume: Directory, subPath: string): Handle {
  const parts = subPath.split("/").filter((part) => part !== "" && part !== ".");
  const first = (length: number) => parts.slice(0, length).join("/") || ".";
  try {
    const whole = findBeneath(volume, first(parts.length));
    if (whole) return whole;
    let [existing, missing] = [0, parts.length];
    while (missing - existing > 1) {
      const length = (existing + missing) >> 1;
      using found = findBeneath(volume, first(length));
      if (found) existing = length;
      else missing = length;
    }
    return make(volume, first(existing), parts.slice(existing).join("/"));
  } catch (thrown) {
    if (isErrno(thrown, "EXDEV", "ELOOP")) throw leadsOut(subPath, thrown);
    throw thrown;
  }
}

function findBeneath(volume: Directory, path: string): Handle | undefined {
  return tolerateSync(() => volume.handle(path, { links: "beneath" }), errno("ENOENT"));
}

function make(volume: Directory, above: string, missing: string): Handle {
  using start = volume.directory(above, { links: "beneath" });
  const mode = volume.stats().mode & 0o7777;
  // mkdirat(2) obeys the umask, with which only root could write below an emptyDir.
  return start.makeDirectories(missing, mode, { made: (directory) => directory.chmod(mode) });
}
