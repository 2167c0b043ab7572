import { spawn } from "node:child_process";
import { closeSync, existsSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import type { Timer } from "@raft2kube/std/clock.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { startTimeOf } from "../observe/process-table.ts";
import { pidPath } from "../observe/processes.ts";
import type { ProcessName } from "../spec/processes.ts";
import { CommandError } from "../terminal.ts";
import { SEE_LOG } from "./keep-logs.ts";
import { openLog } from "./log-file.ts";

export interface ProcessSpec {
  /** A process of a cluster, or the node agent of a machine. */
  readonly name: ProcessName | "machine";
  readonly configPath: string;
  readonly runDir: string;
  readonly logPath: string;
  /** Enter this network namespace first. */
  readonly netns?: string;
  /** The command that prints its log, for the remedy. */
  readonly logs: string;
  /** The command of another release of the product, and its variables. */
  readonly program?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Flags of Node itself. */
  readonly nodeFlags?: readonly string[];
  /**
   * How long it may take until it reports that it is ready, once it may go on. Default
   * READY_TIMEOUT_MS.
   */
  readonly readyTimeout_ms?: number;
}

/** The message of a child to its parent over the IPC channel, sent once. */
export type Announcement =
  | { readonly state: "ready" }
  | { readonly state: "failed"; readonly message: string; readonly remedy?: string };

/** Timeout for a process to report that it is ready. */
export const READY_TIMEOUT_MS = 60_000;
const LOG_TAIL_LINES = 5;

/**
 * Starts the process detached, with its output appended to its log, and resolves when it reports
 * that it is ready; its supervisor restarts it from then on. Rejects with its message or with the
 * end of its log if it fails. A process that asks `mayGoOn` waits for `go` to resolve.
 */
export async function startProcess(
  spec: ProcessSpec,
  signal: AbortSignal,
  go: Promise<void> = Promise.resolve(),
): Promise<void> {
  signal.throwIfAborted();
  const log = openLog(spec.logPath);
  noteStart(log, spec.name);
  const program = spec.program ?? ownProgram(spec);
  const command = spec.netns ? ["nsenter", `--net=${spec.netns}`, ...program] : program;
  const child = spawn(command[0]!, command.slice(1), {
    detached: true,
    stdio: ["ignore", log, log, "ipc"],
    cwd: "/",
    // Glibc's arena for each thread keeps what it has freed, and gains nothing here.
    env: { MALLOC_ARENA_MAX: "1", ...process.env, ...spec.env },
  });
  // After its start, what becomes of it is seen by its id.
  child.on("error", () => child.unref());
  closeSync(log);
  // A message that does not arrive is that of a child that has ended, which is seen below.
  void go.then(() => child.send({ state: "go" }, () => undefined));
  const timeout_ms = spec.readyTimeout_ms ?? READY_TIMEOUT_MS;
  const said = await announcement(child, { signal, timeout_ms, go });
  if (said.state === "failed") {
    child.kill("SIGTERM");
    throw startFailure(spec, said);
  }
  child.disconnect();
  child.unref();
}

/** The command of a process by this program. */
export function ownProgram({
  name,
  configPath,
  nodeFlags = [],
}: Pick<ProcessSpec, "name" | "configPath" | "nodeFlags">): string[] {
  const flags = [...process.execArgv, ...nodeFlags];
  return [process.execPath, ...flags, process.argv[1]!, name, "--config", configPath];
}

/** The error of a process that did not start: with its remedy, or with the end of its log. */
export function startFailure(
  { name, logs, logPath }: Pick<ProcessSpec, "name" | "logs" | "logPath">,
  said: Extract<Announcement, { state: "failed" }>,
): CommandError {
  return new CommandError(said.remedy ? "PROCESS" : SEE_LOG, `${name}: ${said.message}`, {
    remedy: said.remedy ?? `read its log: ${logs}`,
    cause: logTail(logPath),
  });
}

/** Records that this process is the one of its name, and is ready. */
export async function writeOwnPid(runDir: string, name: string): Promise<void> {
  const { pid } = process;
  await replaceFile(pidPath(runDir, name), `${pid} ${startTimeOf(pid) ?? 0}\n`);
}

/**
 * Writes the start into the log. The allocated disk block then has space for the last message of a
 * process that ends because the disk is full.
 */
function noteStart(log: number, name: string): void {
  const time = new Date().toISOString();
  const line = { level: "info", time, component: "process", msg: `${name} starts` };
  writeSync(log, `${JSON.stringify(line)}\n`);
}

function announcement(
  child: ReturnType<typeof spawn>,
  { signal, timeout_ms, go }: { signal: AbortSignal; timeout_ms: number; go: Promise<void> },
): Promise<Announcement> {
  return new Promise((resolve) => {
    const fail = (message: string) => done({ state: "failed", message });
    let timer: Timer | undefined;
    let isDone = false;
    const done = (result: Announcement) => {
      isDone = true;
      timer?.cancel();
      signal.removeEventListener("abort", onAbort);
      for (const event of ["message", "exit"]) child.removeAllListeners(event);
      resolve(result);
    };
    const onAbort = () => fail("stopped");
    const late = () => fail(`not ready after ${timeout_ms} ms`);
    void go.then(() => {
      if (!isDone) timer = machineClock().after(timeout_ms, late);
    });
    signal.addEventListener("abort", onAbort, { once: true });
    child.once("message", (message) => done(message as Announcement));
    child.once("error", (error) => fail(messageOf(error)));
    child.once("exit", (code, by) => fail(`ended with ${code ?? by} before it was ready`));
  });
}

function logTail(path: string): Error | undefined {
  if (!existsSync(path)) return undefined;
  const lines = readFileSync(path, "utf8").trimEnd().split("\n").slice(-LOG_TAIL_LINES);
  return new CodedError("LOG_TAIL", `the log ends with\n    ${lines.join("\n    ")}`);
}

/**
 * Resolves when the command that started this process lets it go on, or has ended: then nothing is
 * waited for, as after a restart. A process waits once.
 */
export function mayGoOn(): Promise<void> {
  if (!process.connected) return Promise.resolve();
  return new Promise((resolve) => {
    for (const event of ["message", "disconnect"]) process.once(event, () => resolve());
  });
}

/** Names a file that announcements are written to, of a process whose parent is no other's. */
export const ANNOUNCE_TO = "R2K_ANNOUNCE_TO";

/** A variable of a process that another service, and no supervisor of ours, starts again. */
export const RESTARTED_BY = "R2K_RESTARTED_BY";

/** Reports the result of the start to the parent, if there is one. */
export function announce(result: Announcement): void {
  if (process.connected) process.send!(result);
  const path = process.env[ANNOUNCE_TO];
  if (path !== undefined) writeFileSync(path, `${JSON.stringify(result)}\n`);
}
