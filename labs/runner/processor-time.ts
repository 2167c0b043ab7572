import { readFileSync } from "node:fs";
import { isErrno } from "@raft2kube/std/errors.ts";

/** Milliseconds of a clock tick of /proc (USER_HZ, 100 on all of Linux's architectures). */
const TICK_MS = 10;
/** Indexes after the name in parentheses: utime is the 12th field, stime the 13th (proc(5)). */
const UTIME = 11;

/** The text of a file of /proc; undefined when its process is gone. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, "utf8");
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT", "ESRCH")) return undefined;
    throw thrown;
  }
}

/** The only child of a process that waits for it, as `unshare --fork` does. */
export function childOf(pid: number | undefined): number | undefined {
  return Number(readProc(`${pid}/task/${pid}/children`)?.trim()) || undefined;
}

/** Processor time that a process has used, in milliseconds; 0 when it is gone. */
export function processorTime_ms(pid: number | undefined): number {
  if (pid === undefined) return 0;
  const stat = readProc(`${pid}/stat`);
  if (stat === undefined) return 0;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[UTIME]) + Number(fields[UTIME + 1])) * TICK_MS;
}
