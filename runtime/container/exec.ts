import { randomBytes } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { type Program, type SpawnOptions, spawnProgram } from "@raft2kube/linux/process/spawn.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { exitCodeOf } from "../command.ts";
import { RuntimeError } from "../errors.ts";
import { hostUser } from "../oci/pod-ids.ts";
import { readLog } from "../oci/runtime.ts";
import type { OciProcess } from "../oci/spec.ts";
import { type Base, type Execs, ociOf, type Programs, type Records } from "../ports.ts";
import { identify, signal } from "../process-identity.ts";
import { readSpec } from "./bundle.ts";

/** A command to run in a running container, as its user, in its namespaces and limits. */
export interface ExecRequest {
  cmd: string[];
  tty: boolean;
  /** The terminal's size at the start, in characters. */
  size?: { width: number; height: number } | undefined;
  /** Where the OCI runtime sends the terminal's descriptor. Needed with `tty`. */
  consoleSocket?: string;
  stdio: SpawnOptions["stdio"];
  /** Properties in which the command differs from the container's own process. */
  process?: Partial<Pick<OciProcess, "cwd" | "env" | "user" | "capabilities">>;
}

/** A running command. */
export interface Exec {
  /** The OCI runtime's process, which waits for the command and has its standard streams. */
  child: Program;
  /** The exit code; rejects with the OCI runtime's words when the command could not be started. */
  exited: Promise<number>;
  /** The command's pid; undefined until it has started. */
  pid(): Promise<number | undefined>;
  /** SIGKILL to the command, unless it has ended. */
  kill(): Promise<void>;
  /** Removes the files of this exec; after its end. */
  cleanUp(): Promise<void>;
}

/** Starts the OCI runtime; `exited` settles as Exec's. */
function launch(
  program: string,
  args: string[],
  { log, ...options }: Pick<SpawnOptions, "stdio" | "owner"> & { log: string },
): Pick<Exec, "child" | "exited"> {
  const { promise: exited, resolve, reject } = Promise.withResolvers<number>();
  const child = spawnProgram(program, args, options);
  child.on("error", (cause) => {
    reject(new RuntimeError("internal", `exec: ${cause.message}`, { cause }));
  });
  child.on("exit", (code, signalName) => {
    const exitCode = code ?? exitCodeOf(signalName);
    // The log is empty after the command's own exit; otherwise it has the reason why it did not
    // start.
    readLog(log).then((output) => {
      if (output === "" || exitCode === 0) resolve(exitCode);
      else reject(new RuntimeError("internal", `failed to exec in container: ${output}`));
    }, reject);
  });
  return { child, exited };
}

async function readPid(file: string): Promise<number | undefined> {
  try {
    return Number(await readFile(file, "utf8")) || undefined;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Starts a command in a running container. Throws resource-exhausted when it runs too many. */
export async function startExec(
  runtime: Base & Records & Programs & Execs,
  id: string,
  request: ExecRequest,
): Promise<Exec> {
  const leave = runtime.execs.enter(id);
  try {
    const exec = await start(runtime, id, request);
    exec.exited.then(leave, leave);
    return exec;
  } catch (error) {
    leave();
    throw error;
  }
}

async function start(
  runtime: Base & Records & Programs,
  id: string,
  request: ExecRequest,
): Promise<Exec> {
  const record = runtime.containers.get(id);
  if (record.phase.state !== "running") {
    const message = `container ${id} is ${record.phase.state}, not running`;
    throw new RuntimeError("failed-precondition", message);
  }
  if (request.cmd.length === 0) throw new RuntimeError("invalid-argument", "exec has no command");
  const { process } = await readSpec(runtime, id);
  const changed = { ...process, ...request.process };
  const terminal: OciProcess = { ...changed, args: request.cmd, terminal: request.tty };
  if (request.size) terminal.consoleSize = request.size;
  if (request.tty && !changed.env.some((pair) => pair.startsWith("TERM="))) {
    terminal.env = [...changed.env, "TERM=xterm"];
  }
  const base = `${runtime.paths.container(id).run}/exec-${randomBytes(6).toString("hex")}`;
  const files = { process: `${base}.json`, pid: `${base}.pid`, log: `${base}.log` };
  await writeFile(files.process, JSON.stringify(terminal), { mode: 0o600 });
  const oci = ociOf(runtime, record);
  const args = [
    ...oci.globalArgs,
    ...["--log", files.log, "exec", "--process", files.process, "--pid-file", files.pid],
    ...(request.consoleSocket ? ["--console-socket", request.consoleSocket] : []),
    id,
  ];
  const owner = hostUser(runtime.sandboxes.find(record.sandboxId)?.config, terminal.user);
  const { stdio } = request;
  const launched = launch(oci.path, args, { stdio, owner, log: files.log });
  let hasEnded = false;
  launched.child.once("exit", () => (hasEnded = true));
  return {
    ...launched,
    pid: () => readPid(files.pid),
    async kill() {
      const pid = await readPid(files.pid);
      // Another process may have its pid.
      if (hasEnded) return;
      const target = pid === undefined ? undefined : identify(pid);
      if (target) signal(target, "SIGKILL");
      else launched.child.kill("SIGKILL");
    },
    async cleanUp() {
      for (const file of Object.values(files)) await rm(file, { force: true });
    },
  };
}
