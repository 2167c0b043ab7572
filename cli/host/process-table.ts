import { readFileSync, readdirSync } from "node:fs";
import { isErrno } from "@raft2kube/std/errors.ts";

/** One process as /proc shows it. */
export interface ProcessEntry {
  readonly pid: number;
  readonly command: string;
}

const START_TIME_FIELD = 19;

/** When the process started, in clock ticks since boot (proc(5), field 22); undefined when gone. */
export function startTimeOf(pid: number): number | undefined {
  const stat = readProc(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" ? undefined : Number(fields[START_TIME_FIELD]);
}

/** Whether the process that started then still runs. */
export function alive(pid: number, started: number): boolean {
  return pid > 0 && startTimeOf(pid) === started;
}

/** All processes that have a command line; kernel threads have none. */
export function processTable(): ProcessEntry[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((name) => {
    const command = readProc(`/proc/${name}/cmdline`)?.replaceAll("\0", " ").trim();
    return command ? [{ pid: Number(name), command }] : [];
  });
}

/** A file under /proc, undefined when its process has ended meanwhile. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT", "ESRCH", "EACCES")) return undefined;
    throw thrown;
  }
}
