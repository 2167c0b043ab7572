import {
  closeSync,
  constants,
  copyFileSync,
  ftruncateSync,
  readSync,
  type Stats,
  writeSync,
} from "node:fs";
import { errno, isErrno, tolerateSync } from "@raft2kube/std/errors.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { check, libc, SystemCallError } from "../syscall/libc.ts";
import { ELOOP } from "../syscall/numbers.ts";
import type { FileName } from "./calls.ts";
import { Directory } from "./directory.ts";
import type { Handle } from "./handle.ts";

/** Levels of directories; each holds three descriptors. */
const DEPTH = 500;
/**
 * Memory for the places of files with several names; a further name becomes a file of its own. So
 * does one of a place that no path leads to.
 */
const LINKED_BYTES = 32 << 20;
const LINKED_ENTRY_BYTES = 100;
const PATH_MAX = 4_096;
const CHUNK_BYTES = 1 << 20;
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const FORMAT = 0o170000;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/**
 * Copies what is in `from` to the empty `to`, with owners, modes, times, links, devices, extended
 * attributes and holes; blocks are shared where the file system can. Others may change `from`
 * meanwhile: every file is read through the descriptor it was looked up by, so nothing outside is
 * ever copied. A file on which a program has a lease is EAGAIN, a mount is EXDEV, deeper nesting
 * than DEPTH is ELOOP, and once aborted it rejects with the signal's reason.
 */
export async function copyTree(from: Directory, to: Directory, signal: AbortSignal): Promise<void> {
  const slices = new Slices();
  const copy: Copy = {
    root: to,
    linked: new Map(),
    linked_bytes: 0,
    chunk: Buffer.alloc(CHUNK_BYTES),
  };
  using steps = copying(from, to, "", copy, 1);
  for (let step = steps.next(); !step.done; step = steps.next()) {
    if (step.value) await step.value;
    signal.throwIfAborted();
    if (slices.due) await slices.pause();
  }
  finish(to, from, from.stats());
}

interface Copy {
  root: Directory;
  /** Where the copy of a file with several names is, by its inode number; latin1, as bytes. */
  linked: Map<bigint, string>;
  linked_bytes: number;
  chunk: Buffer;
}

function* copying(
  from: Directory,
  to: Directory,
  below: string,
  copy: Copy,
  depth: number,
): Generator<Promise<void> | void, void> {
  for (const name of from.namesAside()) {
    if (name instanceof Promise) {
      yield name;
      continue;
    }
    yield;
    using source = from.find(name, { oneMount: true });
    // It vanished, or was renamed to a name that comes again.
    if (!source || isThere(to, name)) continue;
    const stats = source.stats();
    const place = `${below}${name.toString("latin1")}`;
    if (stats.isDirectory()) {
      if (depth === DEPTH) {
        throw new SystemCallError("copy", ELOOP, `${source.label} is nested too deeply`);
      }
      using inner = directoryOf(from, name);
      if (!inner) continue;
      to.makeDirectory(name, 0o700);
      using made = to.directory(name);
      yield* copying(inner, made, `${place}/`, copy, depth + 1);
      finish(made, inner, inner.stats());
      continue;
    }
    const inode = stats.nlink > 1 ? source.inode() : undefined;
    if (inode !== undefined && linkAgain(to, name, inode, copy)) continue;
    if (stats.isSymbolicLink()) to.makeSymlink(name, source.readLink());
    else if (stats.isFile()) yield* copyContent(source, stats, to, name, copy.chunk);
    else to.makeNode(name, stats.mode & FORMAT, stats.rdev);
    using made = to.handle(name);
    finish(made, source, stats);
    if (inode !== undefined) remember(copy, inode, place);
  }
}

function isThere(directory: Directory, name: Buffer): boolean {
  using found = directory.find(name);
  return found !== undefined;
}

/** Opens a directory; undefined when the name has gone, or leads elsewhere by now. */
const directoryOf = (from: Directory, name: Buffer): Directory | undefined =>
  tolerateSync(() => from.directory(name, { oneMount: true }), errno("ENOENT", "ENOTDIR", "ELOOP"));

function remember(copy: Copy, inode: bigint, place: string): void {
  const bytes = place.length + LINKED_ENTRY_BYTES;
  if (place.length >= PATH_MAX || copy.linked_bytes + bytes > LINKED_BYTES) return;
  copy.linked.set(inode, place);
  copy.linked_bytes += bytes;
}

/** Gives another name to the copy of a file that was met before. */
function linkAgain(to: Directory, name: Buffer, inode: bigint, { root, linked }: Copy): boolean {
  const place = linked.get(inode);
  if (place === undefined) return false;
  const at = place.lastIndexOf("/") + 1;
  using parent = root.directory(at === 0 ? "." : Buffer.from(place.slice(0, at), "latin1"));
  to.makeLink(name, parent, Buffer.from(place.slice(at), "latin1"));
  return true;
}

function* copyContent(
  source: Handle,
  stats: Stats,
  to: Directory,
  name: FileName,
  chunk: Buffer,
): Generator<void, void> {
  const target = to.open(name, CREATE, { mode: 0o600 });
  try {
    // While it is open no program can take a lease on it, for which the calls after would wait.
    const content = source.reopen(constants.O_RDONLY);
    try {
      if (!sharesBlocks(content, target)) yield* copyBytes(content, target, stats.size, chunk);
    } finally {
      closeSync(content);
    }
  } finally {
    closeSync(target);
  }
}

/** Copies a regular file's content to a name that must be free; its mode is 600. */
export function copyFileContent(source: Handle, stats: Stats, to: Directory, name: FileName): void {
  const chunk = Buffer.alloc(Math.min(stats.size + 1, CHUNK_BYTES));
  const steps = copyContent(source, stats, to, name, chunk);
  while (!steps.next().done);
}

const CANNOT_SHARE = ["ENOTSUP", "EOPNOTSUPP", "EXDEV", "EINVAL", "ENOSYS", "ENOTTY"];

/** Makes the copy share the source's blocks; returns false where the file system cannot. */
function sharesBlocks(source: number, target: number): boolean {
  const [from, to] = [source, target].map((fd) => `/proc/self/fd/${fd}`) as [string, string];
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (error) {
    if (!isErrno(error, ...CANNOT_SHARE)) throw error;
    return false;
  }
}

/**
 * Copies what a file held when it was looked at, not its holes, which may be exabytes; chunks of
 * zeros become holes.
 */
function* copyBytes(from: number, to: number, size: number, chunk: Buffer): Generator<void, void> {
  for (let offset = seek(from, 0, SEEK_DATA); offset < size; yield) {
    const end = Math.min(seek(from, offset, SEEK_HOLE), size, offset + chunk.length);
    const length = end <= offset ? 0 : readSync(from, chunk, 0, end - offset, offset);
    if (length === 0) break;
    const piece = chunk.subarray(0, length);
    if (!isZero(piece)) writeAll(to, piece, offset);
    offset = seek(from, offset + length, SEEK_DATA);
  }
  ftruncateSync(to, size);
}

/** lseek(2): returns where data or a hole follows; Infinity at the file's end. */
function seek(file: number, offset: number, whence: number): number {
  try {
    return Number(check("lseek", libc.lseek(file, offset, whence), "for a copy"));
  } catch (error) {
    if (isErrno(error, "ENXIO")) return Infinity;
    throw error;
  }
}

function isZero(piece: Buffer): boolean {
  // Equal to itself by one byte later, and that byte is zero.
  return piece[0] === 0 && piece.compare(piece, 1, piece.length, 0, piece.length - 1) === 0;
}

function writeAll(to: number, piece: Buffer, offset: number): void {
  for (let at = 0; at < piece.length; ) {
    at += writeSync(to, piece, at, piece.length - at, offset + at);
  }
}

/** Gives a copy the owner, mode, attributes and times of its source. */
function finish(made: Handle, source: Handle, stats: Stats): void {
  made.chown(stats.uid, stats.gid);
  if (!stats.isSymbolicLink()) {
    made.chmod(stats.mode & 0o7777);
    for (const [name, value] of source.attributes()) made.setAttribute(name, value);
  }
  made.setTimes(stats.atimeMs, stats.mtimeMs);
}
