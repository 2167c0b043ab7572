import { closeSync, constants } from "node:fs";
import path from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import type { Handle } from "@raft2kube/linux/beneath/handle.ts";
import { errno, isErrno, tolerateSync } from "@raft2kube/std/errors.ts";
import { ByHandError } from "./error.ts";

// Places in the container's root, of which an image and the volumes decide. Links of procfs that
// jump (/proc/self/fd/3) are not followed: they can lead out of the root.

const INSIDE = { links: "inside" } as const;
const DIRECTORY_MODE = 0o755;
const FILE_MODE = 0o644;

/** The directory at a path of the root, made where it is missing. */
export function makeDirectory(at: string): Directory {
  using root = Directory.open("/");
  return root.makeDirectories(at, DIRECTORY_MODE, INSIDE);
}

/** The place that a mount is to cover: a directory or a file, made if there is nothing. */
export function makeMountPoint(at: string, what: { directory: boolean }): Handle {
  using root = Directory.open("/");
  const found = root.find(at, INSIDE);
  if (found) return found;
  if (what.directory) return makeDirectory(at);
  using parent = makeDirectory(path.dirname(at));
  return makeFile(parent, path.basename(at));
}

/** The file of a single name, made if there is none. Throws for a link. */
export function makeFile(parent: Directory, name: string, mode = FILE_MODE): Handle {
  const { O_CREAT, O_EXCL, O_WRONLY } = constants;
  tolerateSync(
    () => closeSync(parent.open(name, O_CREAT | O_EXCL | O_WRONLY, { mode })),
    errno("EEXIST"),
  );
  const file = parent.handle(name);
  if (!file.stats().isSymbolicLink()) return file;
  file[Symbol.dispose]();
  throw new ByHandError("invalid", `${path.join(parent.label, name)} is a link in the image`);
}

/** A directory of the root on a path without links. Throws ByHandError for a link. */
export function directoryWithoutLinks(at: string): Directory {
  using root = Directory.open("/");
  try {
    return root.directory(path.relative("/", at) || ".");
  } catch (cause) {
    if (!isErrno(cause, "ELOOP", "ENOTDIR")) throw cause;
    const message = `${at} is a link in the image; a file system belongs there`;
    throw new ByHandError("invalid", message, { cause });
  }
}
