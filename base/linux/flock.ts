import { closeSync, constants, fstatSync, openSync, statSync } from "node:fs";
import { isErrno } from "@raft2kube/std/errors.ts";
import { check, libc } from "./libc.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;

/** A lock on a file, held until it is disposed of or the process ends. */
export interface FileLock extends Disposable {
  readonly path: string;
}

/**
 * Takes the exclusive flock(2) of a file, creating the file; undefined if another process holds it.
 */
export function tryLock(path: string): FileLock | undefined {
  return lockOf(path, openSync(path, "a", 0o600));
}

/**
 * Takes the exclusive flock(2) of a folder, which must be there; undefined if another process holds
 * it, or has put another folder in its place meanwhile.
 */
export function tryLockFolder(path: string): FileLock | undefined {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  const lock = lockOf(path, fd);
  const locked = lock && fstatSync(fd);
  const found = lock && statSync(path, { throwIfNoEntry: false });
  if (locked?.ino === found?.ino && locked?.dev === found?.dev) return lock;
  lock?.[Symbol.dispose]();
  return undefined;
}

function lockOf(path: string, fd: number): FileLock | undefined {
  try {
    check("flock", libc.flock(fd, LOCK_EX | LOCK_NB), path);
  } catch (thrown) {
    closeSync(fd);
    if (isErrno(thrown, "EWOULDBLOCK", "EAGAIN")) return undefined;
    throw thrown;
  }
  return { path, [Symbol.dispose]: () => closeSync(fd) };
}
