import { closeSync, fstatSync, mkdirSync, openSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { pointDescriptor } from "@raft2kube/linux/process/descriptor.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { errno, isErrno, messageOf, tolerateSync } from "@raft2kube/std/errors.ts";

/** A process's log is put aside at this size, and one such is kept: half of what logs may take. */
const LOG_BYTES_MAX = 32 << 20;
/** How often its size is looked at. */
const LOG_CHECK_MS = 10_000;
const STANDARD_OUTPUTS = [1, 2];

/** The log that was put aside. */
export const asidePath = (path: string): string => `${path}.1`;

/** Opens a log to append to; it holds more than others may read. One that is too long is put aside. */
export function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  putAside(path);
  return openSync(path, "a", 0o600);
}

/** Puts a log aside when it is too long, over the one that was put aside before. */
export function putAside(path: string, bytes_max = LOG_BYTES_MAX): boolean {
  if ((sizeOf(path) ?? 0) <= bytes_max) return false;
  renameSync(path, asidePath(path));
  return true;
}

function sizeOf(path: string): number | undefined {
  return tolerateSync(() => statSync(path).size, errno("ENOENT"));
}

/**
 * Keeps the log that this process's standard outputs go to from growing without bound: from then on
 * they go to a new file of its name. Does nothing when they go elsewhere.
 */
export function boundLog(path: string, clock: Clock): void {
  clock.after(LOG_CHECK_MS, () => {
    try {
      turnOver(path);
    } catch (thrown) {
      logger("process").warn("the log could not be put aside", { error: messageOf(thrown) });
    }
    boundLog(path, clock);
  });
}

/** Puts the log aside if it is ours and too long, and goes on in a new one. */
export function turnOver(path: string, bytes_max = LOG_BYTES_MAX): void {
  if (!isOutput(path) || !putAside(path, bytes_max)) return;
  const fresh = openSync(path, "a", 0o600);
  for (const output of STANDARD_OUTPUTS) pointDescriptor(output, fresh);
  closeSync(fresh);
}

function isOutput(path: string): boolean {
  const { ino, dev } = fstatSync(STANDARD_OUTPUTS[1]!);
  try {
    const file = statSync(path);
    return file.ino === ino && file.dev === dev;
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return false;
    throw thrown;
  }
}
