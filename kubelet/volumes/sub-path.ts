import { constants } from "node:fs";
import { type FileHandle, mkdir, open, realpath, stat, writeFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { bindMount } from "@raft2kube/linux/mount.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { isMountPoint } from "./disk.ts";
import { VolumeError } from "./volume-error.ts";

const O_PATH = 0o10000000;

/**
 * Bind-mounts `subPath` of a volume at `target`, so that the container gets exactly the file that
 * was checked here. A container of the pod may swap a directory for a link between the check and
 * the use; therefore the path is walked one component at a time without following links, each from
 * the directory opened before, and the open descriptor is what gets mounted (CVE-2017-1002101,
 * CVE-2021-25741). A subPath that is missing is made as a directory.
 */
export async function mountSubPath(
  volumePath: string,
  subPath: string,
  target: string,
): Promise<void> {
  if (subPath.startsWith("/") || subPath.split("/").includes("..")) {
    throw leadsOut(subPath);
  }
  if (isMountPoint(target)) return;
  const root = await realpath(volumePath);
  const wanted = await resolveInside(root, subPath);
  const handle = await walk(root, relative(root, wanted).split(sep).filter(Boolean));
  try {
    const found = await handle.stat();
    await mkdir(found.isDirectory() ? target : dirname(target), { recursive: true });
    if (!found.isDirectory()) await writeFile(target, "", { flag: "a" });
    bindMount(`/proc/self/fd/${handle.fd}`, target);
  } finally {
    await handle.close();
  }
}

function leadsOut(subPath: string): VolumeError {
  return new VolumeError("InvalidPath", `subPath ${subPath} leads out of the volume`);
}

/** Links inside the volume may be used (ConfigMaps are made of them), but not lead out of it. */
async function resolveInside(root: string, subPath: string): Promise<string> {
  const parts = subPath.split("/").filter(Boolean);
  for (let length = parts.length; length >= 0; length--) {
    try {
      const found = await realpath(join(root, ...parts.slice(0, length)));
      const outside = found !== root && !found.startsWith(root + sep);
      if (outside) throw leadsOut(subPath);
      return join(found, ...parts.slice(length));
    } catch (thrown) {
      if (!isErrno(thrown, "ENOENT")) throw thrown;
    }
  }
  throw new VolumeError("NotFound", `the volume ${root} is not there`);
}

async function walk(root: string, parts: string[]): Promise<FileHandle> {
  const flags = O_PATH | constants.O_NOFOLLOW;
  const { mode } = await stat(root);
  let at = await open(root, flags | constants.O_DIRECTORY);
  for (const part of parts) {
    // Through /proc the walk starts at the descriptor, whatever its name means by now.
    const path = `/proc/self/fd/${at.fd}/${part}`;
    try {
      let next: FileHandle;
      try {
        next = await open(path, flags);
      } catch (thrown) {
        if (!isErrno(thrown, "ENOENT")) throw thrown;
        await mkdir(path, { mode: mode & 0o7777 });
        next = await open(path, flags | constants.O_DIRECTORY);
      }
      await at.close();
      at = next;
    } catch (thrown) {
      await at.close();
      throw thrown;
    }
    if ((await at.stat()).isSymbolicLink()) {
      await at.close();
      throw new VolumeError("InvalidPath", `${part} became a link while it was walked`);
    }
  }
  return at;
}
