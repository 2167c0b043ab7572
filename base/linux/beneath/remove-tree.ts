import { randomBytes } from "node:crypto";
import path from "node:path";
import { errno, isErrno, tolerateSync } from "@raft2kube/std/errors.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { closeAside } from "../file/aside.ts";
import type { FileName } from "./calls.ts";
import { Directory } from "./directory.ts";
import type { Handle } from "./handle.ts";

/**
 * Largest file in bytes whose blocks are freed in this thread: the kernel takes time for each of
 * its pieces, of which a pod may make a million, and seconds for a thousand on a disk with discard.
 */
const ASIDE_BYTES = 64 << 10;
/** Unit of a file's blocks (stat(2)). */
const BLOCK_BYTES = 512;
/** Directories held open at the same time, two descriptors each. Deeper ones are moved up first. */
const DEPTH_HELD = 64;
/** How often a directory is emptied again that others fill meanwhile. */
const ATTEMPTS = 16;

/**
 * Removes a name of a directory, with everything beneath it: no link is followed, no mount point
 * crossed (EBUSY or EXDEV), and no nesting is too deep. A missing name is no error. A directory
 * that others keep filling is ENOTEMPTY in the end. Large files of one `owner`, as a namespace,
 * wait for each other.
 */
export async function removeTree(parent: Directory, name: FileName, owner = ""): Promise<void> {
  const slices = new Slices();
  for (const step of removing(parent, name, owner)) {
    if (step) await step;
    else if (slices.due) await slices.pause();
  }
}

/** Removes a path as `removeTree` does; the directories above its last name are trusted. */
export async function removePath(file: string, owner?: string): Promise<void> {
  const parent = tolerateSync(() => Directory.open(path.dirname(file)), errno("ENOENT"));
  if (parent === undefined) return;
  using held = parent;
  await removeTree(held, path.basename(file), owner);
}

/** The directory at the top of the tree to remove, and how many others were moved up to it. */
type Top = { directory: Directory; moved: number };

/** Yields for every name that is gone, or what is done in another thread before the next step. */
type Steps<R> = Generator<Promise<void> | undefined, R>;

function* removing(
  parent: Directory,
  name: FileName,
  owner: string,
  top?: Top,
  depth = 1,
): Steps<void> {
  for (let left = ATTEMPTS; ; ) {
    const found = removeFile(parent, name);
    if (!(found instanceof Directory)) return yield found && closeAside(found.fd, owner);
    let last: Directory | undefined;
    try {
      using held = found;
      if (held.isLarge) last = held.directory(".");
      const above = top ?? { directory: held, moved: 0 };
      const before = above.moved;
      for (const inner of held.namesAside(owner)) {
        if (inner instanceof Promise) yield inner;
        else if (depth < DEPTH_HELD) yield* removing(held, inner, owner, above, depth + 1);
        else moveUp(held, inner, above);
      }
      if (yield* removeEmpty(parent, name, last && owner)) return yield undefined;
      // Entries that were moved up are new in the top directory: progress, not a concurrent writer.
      if (above.moved === before && --left === 0) parent.remove(name, { directory: true });
    } finally {
      if (last) yield closeAside(last.fd, owner);
    }
  }
}

/**
 * Removes what is no directory, and nothing that is not there; else gives the directory. Gives a
 * large file whose blocks are not freed before it is closed.
 */
function removeFile(parent: Directory, name: FileName): Directory | Handle | undefined {
  const large = largeFile(parent, name);
  try {
    parent.remove(name);
    return large;
  } catch (error) {
    large?.[Symbol.dispose]();
    if (isErrno(error, "ENOENT")) return undefined;
    // EPERM: what unlink(2) of a directory is in POSIX.
    if (!isErrno(error, "EISDIR", "EPERM")) throw error;
  }
  return parent.directory(name, { oneMount: true });
}

/** Opens a large file. A mount at the name is not asked: its server may be away. */
function largeFile(parent: Directory, name: FileName): Handle | undefined {
  const look = () => parent.find(name, { oneMount: true });
  const found = tolerateSync(look, errno("EXDEV"));
  const stats = found?.stats();
  if (stats?.isFile() && stats.blocks * BLOCK_BYTES > ASIDE_BYTES) return found;
  found?.[Symbol.dispose]();
  return undefined;
}

function moveUp(from: Directory, name: FileName, top: Top): void {
  from.rename(name, top.directory, randomBytes(16).toString("hex"));
  top.moved++;
}

/**
 * Removes an empty directory, a large one for its owner in another thread; returns false when it is
 * not empty any more.
 */
function* removeEmpty(parent: Directory, name: FileName, owner?: string): Steps<boolean> {
  let failure: unknown;
  try {
    if (owner === undefined) parent.remove(name, { directory: true });
    else {
      yield parent.removeDirectoryAside(Buffer.from(name), owner).catch((thrown: unknown) => {
        failure = thrown;
      });
      if (failure !== undefined) throw failure;
    }
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return true;
    if (isErrno(error, "ENOTEMPTY", "EEXIST", "ENOTDIR")) return false;
    throw error;
  }
}
