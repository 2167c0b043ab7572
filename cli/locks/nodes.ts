import { mkdir } from "node:fs/promises";
import { type FileLock, lockHolder, tryLock } from "@raft2kube/linux/file/flock.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { terminate } from "../apply/end-process.ts";
import { argumentsOf } from "../observe/process-table.ts";
import type { ClusterPlace } from "../spec/config.ts";
import { nodesLock } from "../spec/paths.ts";
import { CommandError } from "../terminal.ts";

/** How long a command waits for others that change nodes: an addition takes seconds. */
const WAIT_MS = 120_000;
const LOOK_MS = 100;
/** How long a command that a removal interrupts may take to undo its work; then it is killed. */
const UNDO_MS_MAX = 20_000;

type LockOptions = [clock: Clock, how?: { wait_ms?: number; note?: (line: string) => void }];

/**
 * Waits until no other command starts the cluster or changes its nodes; none does until the result
 * is disposed of or the process ends. Two concurrent additions would choose the same address.
 * `note` is called when it has to wait. Throws CommandError `BUSY` after `wait_ms`, and
 * `NO_CLUSTER` if the cluster's data has been removed.
 */
export async function lockNodes(
  place: Pick<ClusterPlace, "name" | "dataDir">,
  ...[clock, { wait_ms = WAIT_MS, note } = {}]: LockOptions
): Promise<FileLock> {
  let isFirst = true;
  const end_ms = clock.monotonic() + wait_ms;
  for (;;) {
    const lock = tryNodes(place);
    if (lock) return lock;
    if (clock.monotonic() >= end_ms) break;
    if (isFirst) note?.(`Waiting for another command that changes "${place.name}" ...`);
    isFirst = false;
    await delay(clock, LOOK_MS);
  }
  throw new CommandError("BUSY", `another command changes nodes of "${place.name}"`, {
    remedy: "wait until it has ended, then repeat this one",
  });
}

/** Makes a new cluster's folder and locks it, before others can see its configuration there. */
export async function lockNew(
  place: Pick<ClusterPlace, "name" | "dataDir">,
  ...options: LockOptions
): Promise<FileLock> {
  await mkdir(place.dataDir, { recursive: true, mode: 0o700 });
  return lockNodes(place, ...options);
}

function tryNodes(place: Pick<ClusterPlace, "name" | "dataDir">): FileLock | undefined {
  try {
    return tryLock(nodesLock(place));
  } catch (cause) {
    if (!isErrno(cause, "ENOENT")) throw cause;
    throw new CommandError("NO_CLUSTER", `the cluster "${place.name}" has been removed`, { cause });
  }
}

/** How a cluster is removed. */
interface Removal {
  readonly undo_ms?: number;
  /** Whether its data is removed too. */
  readonly purge?: boolean;
  note(line: string): void;
  /** Called while it waits for `r2k down --purge`. */
  awaits?(pid: number): void;
}

/** Whether a process is `r2k down --purge`. */
function isPurge(pid: number): boolean {
  const words = argumentsOf(pid);
  return words.includes("down") && words.includes("--purge");
}

/**
 * Takes the lock for the cluster's removal: interrupts the command that has it, as Ctrl-C does, and
 * kills it if it has not ended after `undo_ms`, so that a start that hangs can be ended; then those
 * that wait for it. A removal that keeps the data waits for one that does not, and does all of its
 * work: half of the data is of no use. Undefined if the data is gone by then, as where a first
 * start was undone, and after a note if the lock cannot be had, as on a file system that is
 * read-only after an error of its disk, or from a process that does not end: that is no reason not
 * to remove.
 */
export async function lockForRemoval(
  place: Pick<ClusterPlace, "name" | "dataDir">,
  clock: Clock,
  removal: Removal,
): Promise<FileLock | undefined> {
  try {
    return await lockByForce(place, clock, removal);
  } catch (thrown) {
    if (isErrno(thrown, "NO_CLUSTER")) return undefined;
    removal.note(`Removing "${place.name}" without the lock of its nodes: ${messageOf(thrown)}`);
    return undefined;
  }
}

/** Throws CommandError `BUSY` if the lock is not free after WAIT_MS. */
async function lockByForce(
  place: Pick<ClusterPlace, "name" | "dataDir">,
  clock: Clock,
  { undo_ms = UNDO_MS_MAX, purge = false, note, awaits }: Removal,
): Promise<FileLock> {
  const end_ms = clock.monotonic() + WAIT_MS;
  let awaited: number | undefined;
  for (;;) {
    try {
      return await lockNodes(place, clock, { wait_ms: 0 });
    } catch (thrown) {
      if (!isErrno(thrown, "BUSY") || clock.monotonic() >= end_ms) throw thrown;
    }
    const holder = lockHolder(nodesLock(place));
    if (holder === undefined) await delay(clock, LOOK_MS);
    else if (!purge && isPurge(holder)) {
      const what = `\`r2k down --purge\` (process ${holder}), which removes its data too`;
      if (holder !== awaited) note(`Waiting for ${what} ...`);
      awaits?.((awaited = holder));
      await delay(clock, LOOK_MS);
    } else await terminate([holder], undo_ms, clock);
  }
}
