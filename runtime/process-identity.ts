import { readFileSync } from "node:fs";
import { errno, isErrno, succeeds } from "@raft2kube/std/errors.ts";

/** Identity of a process: its start time distinguishes it from a later one with the same pid. */
export interface ProcessIdentity {
  pid: number;
  /**
   * Time of the start in clock ticks since boot (field 22 of /proc/PID/stat), as text: compared,
   * never computed.
   */
  startTicks: string;
}

/** The fields after the program's name, which is in parentheses and may hold anything. */
function statFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH")) return undefined;
    throw error;
  }
}

/** The process that has this pid now, or undefined when there is none (or only its zombie). */
export function identify(pid: number): ProcessIdentity | undefined {
  const fields = statFields(pid);
  if (fields === undefined || fields[0] === "Z" || fields[0] === "X") return undefined;
  return { pid, startTicks: fields[19] ?? "" };
}

/** Whether this very process still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.startTicks === identity.startTicks;
}

/** Sends a signal to this very process; false when it is gone. */
export function signal(identity: ProcessIdentity, name: NodeJS.Signals | number): boolean {
  if (!isAlive(identity)) return false;
  return succeeds(() => process.kill(identity.pid, name), errno("ESRCH"));
}
