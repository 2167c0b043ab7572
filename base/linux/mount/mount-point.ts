import { basename, dirname } from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { Directory } from "../beneath/directory.ts";

/**
 * Whether `path` is a mount point. Only this name is looked up, since the kernel's list of all
 * mounts is as long as pods make it, and nothing of the file system that is mounted there: its
 * server may not answer.
 */
export function isMountPoint(path: string): boolean {
  try {
    using parent = Directory.open(dirname(path));
    using _ = parent.handle(basename(path), { oneMount: true });
    return false;
  } catch (thrown) {
    if (isErrno(thrown, "EXDEV")) return true;
    if (isErrno(thrown, "ENOENT", "ENOTDIR")) return false;
    throw thrown;
  }
}
