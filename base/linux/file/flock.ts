import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
} from "node:fs";
import { systemClock } from "@raft2kube/std/clock.ts";
import { errno, isErrno, tolerateSync } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { check, libc } from "../syscall/libc.ts";

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
/** How often a lock is tried that another process holds. */
const RETRY_MS = 5;
/** A lock's line in /proc/PID/fdinfo, proc(5). */
const LOCKED = /^lock:.*FLOCK +ADVISORY +WRITE /m;

/** A lock on a file, held until it is disposed of or the process ends. */
export interface FileLock extends Disposable {
  readonly path: string;
}

/** `shared` locks exclude an exclusive one alone. */
export type LockMode = "exclusive" | "shared";

/**
 * Takes the flock(2) of a file, by default exclusively, creating the file; undefined if another
 * process holds it, or has removed the file meanwhile.
 */
export function tryLock(path: string, mode: LockMode = "exclusive"): FileLock | undefined {
  return lockOf(path, openSync(path, "a", 0o600), mode);
}

/** Takes a lock as `tryLock` does, waiting for it; rejects with WaitTimeoutError. */
export function waitForLock(
  path: string,
  { mode, timeout_ms }: { mode: LockMode; timeout_ms: number },
): Promise<FileLock> {
  const options = { clock: systemClock(), timeout_ms, interval_ms: RETRY_MS };
  return waitFor(`the lock ${path}`, async () => tryLock(path, mode), options);
}

/**
 * Takes the exclusive flock(2) of a folder, which must be there; undefined if another process holds
 * it, or has put another folder in its place meanwhile.
 */
export function tryLockFolder(path: string): FileLock | undefined {
  return lockOf(path, openSync(path, constants.O_RDONLY | constants.O_DIRECTORY));
}

/**
 * Returns the process that holds the exclusive flock(2) of a file; undefined if none does, or one
 * of another pid namespace.
 */
export function lockHolder(path: string): number | undefined {
  const locks = readFileSync("/proc/locks", "utf8").matchAll(/FLOCK +ADVISORY +WRITE (\d+) /g);
  const file = statSync(path, { throwIfNoEntry: false });
  if (file === undefined) return undefined;
  const { dev, ino } = file;
  // By what it has locked: the device of /proc/locks is not stat(2)'s on every file system.
  return [...locks].map(([, pid]) => Number(pid)).find((pid) => hasLocked(pid, dev, ino));
}

/** Asks only for files that it has locked: stat(2) of others can block, as on a lost NFS server. */
function hasLocked(pid: number, dev: number, ino: number): boolean {
  const folder = `/proc/${pid}`;
  const descriptors = unlessGone(() => readdirSync(`${folder}/fdinfo`)) ?? [];
  return descriptors.some((fd) => {
    const info = unlessGone(() => readFileSync(`${folder}/fdinfo/${fd}`, "utf8"));
    if (info === undefined || !LOCKED.test(info)) return false;
    const file = unlessGone(() => statSync(`${folder}/fd/${fd}`));
    return file?.dev === dev && file.ino === ino;
  });
}

/** Returns undefined if the process has ended, has closed the file, or is another user's. */
function unlessGone<T>(read: () => T): T | undefined {
  return tolerateSync(() => read(), errno("ENOENT", "EACCES", "ESRCH"));
}

function lockOf(path: string, fd: number, mode: LockMode = "exclusive"): FileLock | undefined {
  try {
    check("flock", libc.flock(fd, (mode === "shared" ? LOCK_SH : LOCK_EX) | LOCK_NB), path);
    const [locked, found] = [fstatSync(fd), statSync(path, { throwIfNoEntry: false })];
    if (locked.ino === found?.ino && locked.dev === found.dev) {
      return { path, [Symbol.dispose]: () => closeSync(fd) };
    }
  } catch (thrown) {
    closeSync(fd);
    if (isErrno(thrown, "EWOULDBLOCK", "EAGAIN")) return undefined;
    throw thrown;
  }
  closeSync(fd);
  return undefined;
}
