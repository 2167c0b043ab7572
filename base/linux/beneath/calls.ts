import { constants } from "node:fs";
import { isErrno } from "@raft2kube/std/errors.ts";
import { check, libc, SystemCallError } from "../syscall/libc.ts";
import { AT_EMPTY_PATH, O_CLOEXEC } from "../syscall/numbers.ts";

/** A file's name: text, or bytes where it may be no UTF-8. */
export type FileName = string | Uint8Array;

/** The same on every architecture: system calls from 424 on share one table. */
const SYS_OPENAT2 = 437;
const AT_REMOVEDIR = 0x200;
const EINVAL = 22;
/** How often a lookup is repeated that a rename or mount elsewhere disturbed (EAGAIN). */
const LOOKUP_ATTEMPTS = 128;
const PATH_BYTES = 4096;

/** Restrictions of a lookup (openat2(2), `resolve`). */
export const Resolve = {
  /** Mount points are not crossed. */
  noXdev: 0x01,
  /** Links of /proc that jump anywhere are refused. */
  noMagicLinks: 0x02,
  /** No symbolic link is followed, at no part of the path. */
  noSymlinks: 0x04,
  /** A path that leads above its start, by `..` or from `/`, is refused. */
  beneath: 0x08,
  /** The start is taken for `/`, as after chroot(2). */
  inRoot: 0x10,
} as const;

const EMPTY = Buffer.from([0]);
const how = new BigUint64Array(3);

/** A name as the kernel takes it; one with a zero byte, which would cut it short, is EINVAL. */
function terminated(name: FileName): Buffer {
  const bytes = typeof name === "string" ? Buffer.from(`${name}\0`, "utf8") : withZero(name);
  if (bytes.indexOf(0) === bytes.length - 1) return bytes;
  throw new SystemCallError("name", EINVAL, `${quoted(name)} has a zero byte`);
}

function withZero(name: Uint8Array): Buffer {
  const bytes = Buffer.alloc(name.length + 1);
  bytes.set(name);
  return bytes;
}

/** A name for messages. */
export function quoted(name: FileName): string {
  return JSON.stringify(typeof name === "string" ? name : Buffer.from(name).toString("utf8"));
}

/**
 * A single name, terminated. EINVAL for a name that would lead to another folder: an empty one,
 * `.`, `..`, and any with a slash.
 */
function single(name: FileName): Buffer {
  const bytes = terminated(name);
  const [length, dots] = [bytes.length - 1, bytes.length < 4 && bytes.every((b) => b === 46 || !b)];
  if (length > 0 && !dots && !bytes.includes(47)) return bytes;
  throw new SystemCallError("name", EINVAL, `${quoted(name)} is not the name of a file`);
}

/** openat2(2). `mode` must be 0 unless O_CREAT is set. Lookups that were disturbed are repeated. */
export function openBeneath(
  folder: number,
  path: FileName,
  { flags, mode = 0, resolve }: { flags: number; mode?: number; resolve: number },
): number {
  const bytes = terminated(path);
  how[0] = BigInt((flags | O_CLOEXEC) >>> 0);
  how[1] = BigInt(mode);
  how[2] = BigInt(resolve);
  for (let left = LOOKUP_ATTEMPTS; ; left--) {
    try {
      const size = how.byteLength;
      return check("openat2", libc.openat2(SYS_OPENAT2, folder, bytes, how, size), quoted(path));
    } catch (error) {
      if (left === 0 || !isErrno(error, "EAGAIN")) throw error;
    }
  }
}

export function makeDirectoryAt(folder: number, name: FileName, mode: number): void {
  check("mkdirat", libc.mkdirat(folder, single(name), mode), quoted(name));
}

export function makeNodeAt(folder: number, name: FileName, mode: number, device: number): void {
  check("mknodat", libc.mknodat(folder, single(name), mode, device), quoted(name));
}

export function makeSymlinkAt(folder: number, name: FileName, target: FileName): void {
  check("symlinkat", libc.symlinkat(terminated(target), folder, single(name)), quoted(name));
}

/** linkat(2): another name for a file; a symbolic link is linked itself. */
export function linkAt(from: number, fromName: FileName, folder: number, name: FileName): void {
  const result = libc.linkat(from, single(fromName), folder, single(name), 0);
  check("linkat", result, quoted(name));
}

export function renameAt(from: number, fromName: FileName, folder: number, name: FileName): void {
  const result = libc.renameat(from, single(fromName), folder, single(name));
  check("renameat", result, quoted(name));
}

export function unlinkAt(folder: number, name: FileName, what: { directory: boolean }): void {
  const flags = what.directory ? AT_REMOVEDIR : 0;
  check("unlinkat", libc.unlinkat(folder, single(name), flags), quoted(name));
}

/** Where the symbolic link of a descriptor leads. */
export function readLinkOf(fd: number, label: string): Buffer {
  const target = Buffer.alloc(PATH_BYTES);
  const length = check("readlinkat", libc.readlinkat(fd, EMPTY, target, target.length), label);
  return target.subarray(0, length);
}

export function changeOwnerOf(fd: number, uid: number, gid: number, label: string): void {
  check("fchownat", libc.fchownat(fd, EMPTY, uid, gid, AT_EMPTY_PATH), label);
}

/** utimensat(2), in milliseconds since 1970. */
export function setTimesOf(fd: number, access_ms: number, changed_ms: number, label: string): void {
  const times = new BigInt64Array([...timespec(access_ms), ...timespec(changed_ms)]);
  check("utimensat", libc.utimensat(fd, EMPTY, times, AT_EMPTY_PATH), label);
}

function timespec(time_ms: number): [seconds: bigint, nanoseconds: bigint] {
  const seconds = Math.floor(time_ms / 1_000);
  return [BigInt(seconds), BigInt(Math.round((time_ms - seconds * 1_000) * 1e6))];
}

export const { O_NOFOLLOW, O_DIRECTORY, O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants;
