import { randomBytes } from "node:crypto";
import path from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import type { FileName } from "./calls.ts";
import { Directory } from "./directory.ts";

/** Names removed before the event loop gets its turn. */
const STEPS_AT_ONCE = 256;
/** Directories held open at the same time, two descriptors each. Deeper ones are moved up first. */
const DEPTH_HELD = 64;
/** How often a directory is emptied again that others fill meanwhile. */
const ATTEMPTS = 16;

/**
 * Removes a name of a directory, with everything beneath it: no link is followed, no mount point
 * crossed (EBUSY or EXDEV), and no nesting is too deep. A missing name is no error. A directory
 * that others keep filling is ENOTEMPTY in the end.
 */
export async function removeTree(parent: Directory, name: FileName): Promise<void> {
  let steps = 0;
  for (const step of removing(parent, name)) {
    if ((steps += step) % STEPS_AT_ONCE !== 0) continue;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** Removes a path as `removeTree` does; the directories above its last name are trusted. */
export async function removePath(file: string): Promise<void> {
  let parent: Directory;
  try {
    parent = Directory.open(path.dirname(file));
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    throw error;
  }
  using held = parent;
  await removeTree(held, path.basename(file));
}

/** The directory at the top of the tree to remove, and how many others were moved up to it. */
interface Top {
  directory: Directory;
  moved: number;
}

/** Yields 1 for every name that is gone. */
function* removing(parent: Directory, name: FileName, top?: Top, depth = 1): Generator<1> {
  for (let left = ATTEMPTS; ; ) {
    const directory = removeFile(parent, name);
    yield 1;
    if (directory === undefined) return;
    using held = directory;
    const above = top ?? { directory: held, moved: 0 };
    const before = above.moved;
    for (const inner of held.names()) {
      if (depth < DEPTH_HELD) yield* removing(held, inner, above, depth + 1);
      else moveUp(held, inner, above);
    }
    if (removeEmpty(parent, name)) return;
    // Entries that were moved up are new in the top directory: progress, not a concurrent writer.
    if (above.moved === before && --left === 0) parent.remove(name, { directory: true });
  }
}

/** Removes what is no directory, and nothing that is not there; else gives the directory. */
function removeFile(parent: Directory, name: FileName): Directory | undefined {
  try {
    parent.remove(name);
    return undefined;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    // EPERM: what unlink(2) of a directory is in POSIX.
    if (!isErrno(error, "EISDIR", "EPERM")) throw error;
  }
  return parent.directory(name, { oneMount: true });
}

function moveUp(from: Directory, name: FileName, top: Top): void {
  from.rename(name, top.directory, randomBytes(16).toString("hex"));
  top.moved++;
}

/** Removes an empty directory; returns false when it is not empty any more. */
function removeEmpty(parent: Directory, name: FileName): boolean {
  try {
    parent.remove(name, { directory: true });
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return true;
    if (isErrno(error, "ENOTEMPTY", "EEXIST", "ENOTDIR")) return false;
    throw error;
  }
}
