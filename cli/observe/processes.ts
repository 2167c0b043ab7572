import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { alive } from "./process-table.ts";

/** The ends of a process that its supervisor has counted. */
export interface Restarts {
  /** Restarts in a row, without a steady run between them. */
  readonly count: number;
  /** When it ended last, seconds since 1970. */
  readonly last_s: number;
  readonly pause_s: number;
  /** The exit status; undefined when it is not known. */
  readonly exitStatus: number | undefined;
}

/** The file with pid and start time of a process that is ready. */
export const pidPath = (runDir: string, name: string) => join(runDir, `${name}.pid`);

/** The same of its supervisor. */
export const supervisorPath = (runDir: string, name: string) => join(runDir, `${name}.supervisor`);

/** The file in which its supervisor counts restarts. */
export const restartsPath = (runDir: string, name: string) => join(runDir, `${name}.restarts`);

/** The pid of a process that is ready and runs; undefined if none does. */
export function runningPid(runDir: string, name: string): number | undefined {
  return livePid(pidPath(runDir, name));
}

/** The running supervisor of a process, if it has one. */
export function supervisorPid(runDir: string, name: string): number | undefined {
  return livePid(supervisorPath(runDir, name));
}

/** The start time distinguishes the process from a later one with its pid. */
function livePid(path: string): number | undefined {
  const [pid = 0, started = 0] = wordsOf(path).map(Number);
  return alive(pid, started) ? pid : undefined;
}

/** How often a process has been started again; undefined when it never was. */
export function readRestarts(runDir: string, name: string): Restarts | undefined {
  const [count, last_s, pause_s, status = "-"] = wordsOf(restartsPath(runDir, name));
  if (!count || !last_s || !pause_s) return undefined;
  const exitStatus = status === "-" ? undefined : Number(status);
  return { count: Number(count), last_s: Number(last_s), pause_s: Number(pause_s), exitStatus };
}

/** The message about a process' restarts. */
export function restartsText({ count, exitStatus }: Restarts): string {
  const how = exitStatus === undefined ? "" : ` with exit status ${exitStatus}`;
  return `ended${how}, ${count === 1 ? "once" : `${count} times in a row`}`;
}

/** The words of a file; none if it does not exist. */
function wordsOf(path: string): string[] {
  return tolerateSync(() => readFileSync(path, "utf8").trim().split(" "), errno("ENOENT")) ?? [];
}
