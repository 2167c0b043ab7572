import { open, readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { spawnProgram } from "@raft2kube/linux/process/spawn.ts";
import { STEPS_VARIABLE, step } from "@raft2kube/linux/syscall/steps.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { errno, isErrno, tolerateSync } from "@raft2kube/std/errors.ts";
import { isMonitored } from "./container/monitor.ts";
import { RuntimeError } from "./errors.ts";
import { COMMAND_OUTPUT_BYTES, CREATE_TIMEOUT_MS } from "./limits.ts";
import type { OciRuntime } from "./oci/runtime.ts";
import type { ContainerPaths } from "./paths.ts";

/** Request to create a container under conmon. */
export interface ConmonRequest {
  id: string;
  paths: ContainerPaths;
  exitsDirectory: string;
  /** The CRI log file; undefined keeps no log. */
  logPath: string | undefined;
  terminal: boolean;
  stdin: boolean;
  /** Keep the process's input open after the first client that attached has gone. */
  leaveStdinOpen: boolean;
  /** Called when the container has ended and its exit file is written. */
  exitCommand?: readonly string[];
}

/** Report of conmon: the pid, or -1 and the reason. */
type Report = { data: number; message?: string };

/** The descriptor that conmon reports on. */
const REPORT_FD = 3;

function argumentsOf(oci: OciRuntime, request: ConmonRequest): string[] {
  const { id, paths } = request;
  return [
    ...["--api-version", "1", "--cid", id, "--cuuid", id, "--name", id],
    ...["--runtime", oci.path],
    ...oci.globalArgs.flatMap((arg) => ["--runtime-arg", arg]),
    ...["--bundle", paths.run, "--persist-dir", paths.run, "--exit-dir", request.exitsDirectory],
    ...["--container-pidfile", paths.pidFile, "--conmon-pidfile", paths.conmonPidFile],
    ...["--log-path", request.logPath === undefined ? "none:" : `k8s-file:${request.logPath}`],
    // The socket in the bundle itself: the path is short enough to need no link.
    ...["--socket-dir-path", paths.run, "--full-attach"],
    ...(request.terminal ? ["--terminal"] : []),
    ...(request.stdin ? ["--stdin"] : []),
    ...(request.leaveStdinOpen ? ["--leave-stdin-open"] : []),
    ...exitArguments(request.exitCommand),
  ];
}

function exitArguments([program, ...args]: readonly string[] = []): string[] {
  if (program === undefined) return [];
  return ["--exit-command", program, ...args.flatMap((arg) => ["--exit-command-arg", arg])];
}

/**
 * Returns the first line of a pipe whose other end stays open; undefined when it ends without one,
 * or when `patience` aborts.
 */
function firstLine(pipe: Readable, patience: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = "";
    patience.addEventListener("abort", () => pipe.destroy(), { once: true });
    pipe.setEncoding("utf8");
    pipe.on("data", (chunk: string) => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end < 0 && text.length < COMMAND_OUTPUT_BYTES) return;
      resolve(text.slice(0, end < 0 ? undefined : end));
      pipe.destroy();
    });
    pipe.on("close", () => resolve(undefined));
  });
}

/**
 * Creates a container under its own conmon, which outlives this process: it writes the log, holds
 * input, output and terminal, serves the attach socket, and writes the exit code to `<exits>/<id>`.
 * Resolves with the pid of the container's process, which waits for start. Rejects with the OCI
 * runtime's message; after `timeout_ms` with deadline-exceeded, and conmon is killed.
 */
export async function createUnderConmon(
  conmonPath: string,
  oci: OciRuntime,
  request: ConmonRequest,
  { clock, timeout_ms = CREATE_TIMEOUT_MS }: { clock: Clock; timeout_ms?: number },
): Promise<number> {
  const errorsFile = `${request.paths.run}/conmon.log`;
  const errors = await open(errorsFile, "w", 0o600);
  const args = argumentsOf(oci, request);
  step(() => [conmonPath, ...args]);
  const steps = process.env[STEPS_VARIABLE];
  const child = spawnProgram(conmonPath, args, {
    // Directory of the file `oom`, which conmon writes when the kernel kills for lack of memory.
    cwd: request.paths.run,
    stdio: ["ignore", "ignore", errors.fd, "pipe"],
    env: {
      PATH: process.env["PATH"],
      _OCI_SYNCPIPE: String(REPORT_FD),
      ...(steps !== undefined && { [STEPS_VARIABLE]: steps }),
    },
    detached: true,
    timeout: timeout_ms,
  });
  const exited = new Promise<void>((resolve, reject) => {
    child.on("exit", () => resolve());
    child.on("error", (cause) => {
      const message = `cannot run ${conmonPath}: ${cause.message}`;
      const remedy = isErrno(cause, "ENOENT") ? { remedy: "install conmon" } : {};
      reject(new RuntimeError("internal", message, { cause, ...remedy }));
    });
  });
  // The forked conmon reports after the program that was started has exited.
  const patience = new AbortController();
  const timer = clock.after(timeout_ms, () => patience.abort());
  const report = firstLine(child.stdio[REPORT_FD]!, patience.signal);
  const [line] = await Promise.all([report, exited]).finally(async () => {
    timer.cancel();
    await errors.close();
  });
  if (patience.signal.aborted) {
    await killConmon(request);
    const message = `the container was not created within ${timeout_ms} ms`;
    throw new RuntimeError("deadline-exceeded", message);
  }
  if (line === undefined) {
    const output = (await readFile(errorsFile, "utf8")).trim();
    throw new RuntimeError("internal", `conmon did not create the container: ${output}`);
  }
  const { data, message } = JSON.parse(line) as Report;
  if (data > 0) return data;
  throw new RuntimeError("internal", message?.trim() || "the OCI runtime gave no reason");
}

/** Kills a conmon and the OCI runtime that it waits for: both are in its session. */
async function killConmon({ id, paths }: ConmonRequest): Promise<void> {
  if (!(await isMonitored(paths, id))) return;
  const pid = Number(await readFile(paths.conmonPidFile, "utf8"));
  tolerateSync(() => process.kill(-pid, "SIGKILL"), errno("ESRCH"));
}
