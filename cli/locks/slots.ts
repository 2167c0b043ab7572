import { lstatSync } from "node:fs";
import { mkdir, rmdir } from "node:fs/promises";
import { type FileLock, tryLockFolder } from "@raft2kube/linux/file/flock.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { errno, isErrno, tolerateSync } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import type { ClusterRoots } from "../spec/config.ts";
import { CommandError } from "../terminal.ts";

/** How long a start waits for others that choose: the first on a machine installs programs. */
const WAIT_MS = 300_000;
const LOOK_MS = 50;

/** The right to choose a new cluster's address ranges. */
export interface SlotsLock extends AsyncDisposable {
  /** Lets the next one choose; again is no error. */
  release(): Promise<void>;
}

/**
 * Waits until no other start or restore below these roots chooses address ranges: two concurrent
 * ones would choose the same. The lock is the folder's of all clusters, which goes again if it
 * stays empty. Where it cannot be made nothing is locked, and the start's preflight says why.
 * Throws CommandError `BUSY` after `wait_ms`, and the signal's reason once it is aborted.
 */
export async function lockSlots(
  { data }: Pick<ClusterRoots, "data">,
  clock: Clock,
  { signal, wait_ms = WAIT_MS }: { signal?: AbortSignal; wait_ms?: number } = {},
): Promise<SlotsLock> {
  const end_ms = clock.monotonic() + wait_ms;
  let lock: FileLock | undefined;
  while ((await isThere(data)) && !(lock = tryIfThere(data))) {
    if (clock.monotonic() >= end_ms) {
      throw new CommandError(
        "BUSY",
        "another start or restore chooses the addresses of a new cluster",
        { remedy: "wait until it has ended, then repeat this one" },
      );
    }
    await delay(clock, LOOK_MS, signal);
    signal?.throwIfAborted();
  }
  const release = async () => {
    const held = lock;
    lock = undefined;
    if (held === undefined) return;
    try {
      // A folder that cannot be removed, as one behind a link, stays.
      await rmdir(data).catch(() => undefined);
    } finally {
      held[Symbol.dispose]();
    }
  };
  return { release, [Symbol.asyncDispose]: release };
}

/** Whether the path is a link, which leads nowhere if its folder cannot be made. */
const isLink = (path: string) => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink();

/** Makes the folder, which another start may remove again; false if it cannot be made. */
async function isThere(data: string): Promise<boolean> {
  try {
    await mkdir(data, { recursive: true, mode: 0o700 });
    return true;
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return !isLink(data); // removed while it was made
    if (isErrno(thrown, "EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST")) return false;
    throw thrown;
  }
}

function tryIfThere(data: string): FileLock | undefined {
  // The last cluster was removed meanwhile.
  return tolerateSync(() => tryLockFolder(data), errno("ENOENT"));
}
