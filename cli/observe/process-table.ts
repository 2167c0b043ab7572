import { readdirSync, readFileSync } from "node:fs";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";

/** One process as /proc shows it. */
export type ProcessEntry = { readonly pid: number; readonly command: string };

const PARENT_FIELD = 1;
const START_TIME_FIELD = 19;
const SIGTERM_BIT = 1n << 14n;

/** Returns a process's start time in clock ticks since boot (proc(5), field 22), or undefined. */
export function startTimeOf(pid: number): number | undefined {
  const fields = statOf(pid);
  return fields === undefined || fields[0] === "Z" ? undefined : Number(fields[START_TIME_FIELD]);
}

/** Returns the process's parent, or undefined. */
export function parentOf(pid: number): number | undefined {
  const fields = statOf(pid);
  return fields === undefined ? undefined : Number(fields[PARENT_FIELD]);
}

/** The fields of /proc/PID/stat from the third on, which is the state. */
function statOf(pid: number): string[] | undefined {
  const stat = readProc(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/**
 * Whether SIGTERM affects a process. The init of a pid namespace does not receive signals that it
 * neither handles nor blocks for sigwait (pid_namespaces(7)).
 */
export function heedsTerm(pid: number): boolean {
  const status = readProc(`/proc/${pid}/status`) ?? "";
  const has = (mask: string) => {
    const digits = new RegExp(`^${mask}:\\s*([0-9a-f]+)$`, "m").exec(status)?.[1] ?? "0";
    return (BigInt(`0x${digits}`) & SIGTERM_BIT) !== 0n;
  };
  if (has("SigCgt") || has("SigBlk")) return true;
  const isFirst = /^NSpid:(?:\s+\d+)+\s+1$/m.test(status);
  return status !== "" && !has("SigIgn") && !isFirst;
}

/** Whether the process that started then still runs. */
export function alive(pid: number, started: number): boolean {
  return pid > 0 && startTimeOf(pid) === started;
}

/** Returns the command line of a process; empty if it has ended or has none. */
export function argumentsOf(pid: number): string[] {
  return (readProc(`/proc/${pid}/cmdline`) ?? "").split("\0").slice(0, -1);
}

/**
 * Returns a process's share of memory in MiB, shared pages counted by their part (PSS); undefined
 * if it has ended or is ending, as it has no memory any more.
 */
export function pssOf_MiB(pid: number): number | undefined {
  const rollup = readProc(`/proc/${pid}/smaps_rollup`);
  const kibibytes = /^Pss:\s+(\d+) kB/m.exec(rollup ?? "")?.[1];
  return kibibytes === undefined ? undefined : Math.round(Number(kibibytes) / 1024);
}

/** All processes that have a command line; kernel threads have none. */
export function processTable(): ProcessEntry[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((name) => {
    const command = readProc(`/proc/${name}/cmdline`)?.replaceAll("\0", " ").trim();
    return command ? [{ pid: Number(name), command }] : [];
  });
}

/** Returns a file under /proc; undefined if its process has ended. */
function readProc(path: string): string | undefined {
  return tolerateSync(() => readFileSync(path, "utf8"), errno("ENOENT", "ESRCH", "EACCES"));
}
