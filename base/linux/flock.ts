import { closeSync, openSync } from "node:fs";
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
  const fd = openSync(path, "a", 0o600);
  try {
    check("flock", libc.flock(fd, LOCK_EX | LOCK_NB), path);
  } catch (thrown) {
    closeSync(fd);
    if (isErrno(thrown, "EWOULDBLOCK", "EAGAIN")) return undefined;
    throw thrown;
  }
  return { path, [Symbol.dispose]: () => closeSync(fd) };
}
