import type { Stats } from "node:fs";
import { isErrno } from "@raft2kube/std/errors.ts";
import { SystemCallError } from "../syscall/libc.ts";
import { ELOOP } from "../syscall/numbers.ts";
import { Directory } from "./directory.ts";
import type { Handle } from "./handle.ts";

/** One file beneath a directory, held by its descriptor until the walk continues. */
export interface Found {
  handle: Handle;
  stats: Stats;
  /** The file's name in `parent`. */
  name: Buffer;
  parent: Directory;
}

/** Each level of a walk holds two descriptors. */
const WALK_DEPTH = 1_000;

/**
 * Visits everything beneath a directory, a folder after its content; the directory itself is left
 * out. No link is followed and no mount point crossed. Files that vanish during the walk are
 * skipped. Deeper than WALK_DEPTH: ELOOP. The walk is synchronous: a caller that must not hold the
 * event loop pauses between steps.
 */
export const walk = (directory: Directory): Generator<Found> =>
  walking<never>(directory, (of) => of.names());

/** The same for a directory that others fill: see `Directory.namesAside`. */
export const walkAside = (directory: Directory): Generator<Found | Promise<void>> =>
  walking<Promise<void>>(directory, (of) => of.namesAside());

function* walking<P extends Promise<void>>(
  directory: Directory,
  names: (of: Directory) => Iterable<Buffer | P>,
  depth = 0,
): Generator<Found | P> {
  if (depth >= WALK_DEPTH) {
    throw new SystemCallError("walk", ELOOP, `${directory.label} is nested too deeply`);
  }
  for (const name of names(directory)) {
    if (name instanceof Promise) {
      yield name;
      continue;
    }
    using handle = directory.find(name, { oneMount: true });
    if (handle === undefined) continue;
    const stats = handle.stats();
    if (stats.isDirectory()) yield* walkInto(directory, name, names, depth);
    yield { handle, stats, name, parent: directory };
  }
}

function* walkInto<P extends Promise<void>>(
  parent: Directory,
  name: Buffer,
  names: (of: Directory) => Iterable<Buffer | P>,
  depth: number,
): Generator<Found | P> {
  let inner: Directory;
  try {
    inner = parent.directory(name, { oneMount: true });
  } catch (error) {
    // Removed or replaced since it was seen.
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return;
    throw error;
  }
  using held = inner;
  yield* walking(held, names, depth + 1);
}
