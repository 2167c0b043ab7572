import type { Stats } from "node:fs";
import { statfs } from "node:fs/promises";
import { errno, isErrno, tolerateSync } from "@raft2kube/std/errors.ts";
import { inSlices } from "@raft2kube/std/slices.ts";
import type { FileName } from "./calls.ts";
import { Directory } from "./directory.ts";

/** The usage of a tree in its file system. */
export type TreeUsage = { used_bytes: number; inodes: number };

/** Directories held open at the same time, two descriptors each. */
const DEPTH = 500;
/** Files with several names that are remembered; further ones count once for every name. */
const LINKED_FILES = 65_536;
/** The unit of `blocks` in stat(2). */
const BLOCK_BYTES = 512;

/**
 * Measures everything beneath a path, whose directories above its last name are trusted. No link is
 * followed and no mount entered; what vanishes meanwhile does not count. Nothing there is nothing
 * used. A tree that is nested too deeply to be measured counts as its whole file system, so that no
 * limit is evaded that way. Others run in between: what is being written to is measured
 * approximately.
 */
export async function treeUsage(file: string): Promise<TreeUsage> {
  const usage: TreeUsage = { used_bytes: 0, inodes: 0 };
  const root = tolerateSync(() => Directory.open(file), errno("ENOENT", "ENOTDIR"));
  if (root === undefined) return usage;
  using held = root;
  const measure = { usage, linked: new Set<bigint>(), complete: true };
  await inSlices(measuring(held, measure, 1));
  return measure.complete ? usage : wholeFileSystem(file);
}

/** Usage of a path that cannot be measured: no limit is evaded that way. */
export async function wholeFileSystem(file: string): Promise<TreeUsage> {
  const { blocks, bsize, files } = await statfs(file);
  return { used_bytes: blocks * bsize, inodes: files };
}

interface Measure {
  usage: TreeUsage;
  /** Inode numbers of files with several names that have been counted. */
  linked: Set<bigint>;
  /** Whether all was counted: false when directories were nested too deeply. */
  complete: boolean;
}

/** Steps of long work; a promise among them is awaited before the next. */
type Steps = Generator<Promise<void> | void, void>;

function* measuring(directory: Directory, measure: Measure, depth: number): Steps {
  for (const name of directory.namesAside()) {
    if (name instanceof Promise) {
      yield name;
      continue;
    }
    yield;
    const found = statsOf(directory, name);
    if (!found || isCounted(found.inode, measure)) continue;
    const { stats } = found;
    measure.usage.used_bytes += stats.blocks * BLOCK_BYTES;
    measure.usage.inodes++;
    if (!stats.isDirectory()) continue;
    if (depth === DEPTH) {
      measure.complete = false;
      continue;
    }
    using inner = directoryOf(directory, name);
    if (inner) yield* measuring(inner, measure, depth + 1);
  }
}

interface Found {
  stats: Stats;
  /** The inode's number, of a file with several names. */
  inode: bigint | undefined;
}

/**
 * Stats of a file; undefined for a mount of another file system, and for a file that has vanished.
 */
function statsOf(directory: Directory, name: FileName): Found | undefined {
  try {
    using handle = directory.handle(name, { oneMount: true });
    const stats = handle.stats();
    const isLinked = stats.nlink > 1 && !stats.isDirectory();
    return { stats, inode: isLinked ? handle.inode() : undefined };
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EXDEV")) return undefined;
    throw error;
  }
}

function directoryOf(parent: Directory, name: FileName): Directory | undefined {
  return tolerateSync(
    () => parent.directory(name, { oneMount: true }),
    errno("ENOENT", "ENOTDIR", "ELOOP", "EXDEV"),
  );
}

/** Whether a file was counted under another of its names; remembers it if not. */
function isCounted(inode: bigint | undefined, { linked }: Measure): boolean {
  if (inode === undefined) return false;
  if (linked.has(inode)) return true;
  if (linked.size < LINKED_FILES) linked.add(inode);
  return false;
}
