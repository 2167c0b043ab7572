import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { type Program, type SpawnOptions, spawnProgram } from "@raft2kube/linux/process/spawn.ts";
import { given } from "@raft2kube/std/given.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { exitCodeOf } from "../command.ts";
import { RuntimeError } from "../errors.ts";
import { CREATE_TIMEOUT_MS } from "../limits.ts";
import { hostUser } from "../oci/pod-ids.ts";
import { readLog } from "../oci/runtime.ts";
import { type Base, type Execs, ociOf, type Programs, type Records } from "../ports.ts";
import { identify, signal } from "../process-identity.ts";
import { type ChangedProcess, writeProcess } from "./exec-process.ts";

/** A command to run in a running container, as its user, in its namespaces and limits. */
export interface ExecRequest {
  cmd: string[];
  tty: boolean;
  /** The terminal's size at the start, in characters. */
  size?: { width: number; height: number } | undefined;
  /** Where the OCI runtime sends the terminal's descriptor. Needed with `tty`. */
  consoleSocket?: string;
  stdio: SpawnOptions["stdio"];
  process?: ChangedProcess;
}

/** A running command. */
export interface Exec {
  /** The OCI runtime's process, which waits for the command and has its standard streams. */
  child: Program;
  /** The exit code; rejects with the OCI runtime's words when the command could not be started. */
  exited: Promise<number>;
  /**
   * Resolves when the command runs, with its pid, or has ended; rejects when neither comes in time.
   */
  started: Promise<number | "ended" | undefined>;
  /** SIGKILL to the command once it has started, unless it has ended. */
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
  return Number(await readIfPresent(file)) || undefined;
}

/**
 * Removes the file of a command's process when that runs: it has been read then, and has the
 * container's variables, in memory that counts as no pod's. Returns what settles then.
 */
function removeRead(
  { clock, log }: Base,
  { process, pid }: { process: string; pid: string },
  hasEnded: () => boolean,
): Exec["started"] {
  const options = { clock, timeout_ms: CREATE_TIMEOUT_MS };
  const isThere = async () => (hasEnded() ? "ended" : await readPid(pid));
  const started = waitFor("the start of a command", isThere, options);
  started
    .then(() => rm(process, { force: true }))
    .catch((err: unknown) => log.debug("the file of a command stays until it ends", { err }));
  return started;
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
  const base = `${runtime.paths.container(id).run}/exec-${randomBytes(6).toString("hex")}`;
  const files = { process: `${base}.json`, pid: `${base}.pid`, log: `${base}.log` };
  const cleanUp = async () => {
    for (const file of Object.values(files)) await rm(file, { force: true });
  };
  const { cmd, tty, size, process = {}, stdio } = request;
  const command = { args: cmd, terminal: tty, ...given({ consoleSize: size }) };
  let owner: SpawnOptions["owner"];
  try {
    const user = await writeProcess(runtime, id, files.process, process, command);
    owner = hostUser(runtime.sandboxes.find(record.sandboxId)?.config, user);
  } catch (thrown) {
    await cleanUp();
    throw thrown;
  }
  const oci = ociOf(runtime, record);
  const args = [
    ...oci.globalArgs,
    ...["--log", files.log, "exec", "--process", files.process, oci.pidFileFlag, files.pid],
    ...(request.consoleSocket ? ["--console-socket", request.consoleSocket] : []),
    id,
  ];
  const launched = launch(oci.path, args, { stdio, owner, log: files.log });
  let hasEnded = false;
  const end = () => void (hasEnded = true);
  launched.child.once("exit", end).once("error", end);
  const started = removeRead(runtime, files, () => hasEnded);
  return {
    ...launched,
    started,
    async kill() {
      // Ended before it has said the pid, the OCI runtime would leave the command running.
      const pid = await started.catch(() => undefined);
      // Another process may have its pid.
      if (hasEnded || pid === "ended") return;
      if (pid !== undefined && oci.hasOwnPids) return oci.killInside(id, pid);
      const target = pid === undefined ? undefined : identify(pid);
      if (target) signal(target, "SIGKILL");
      else launched.child.kill("SIGKILL");
    },
    cleanUp,
  };
}
