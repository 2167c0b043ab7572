import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import {
  closeSync,
  constants as fileFlags,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import { openCgroups } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import {
  cloneMount,
  MountAttribute,
  setMountAttributes,
} from "@raft2kube/linux/mount/mount-tree.ts";
import { check, libc } from "@raft2kube/linux/syscall/libc.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { exitCodeOf } from "../command.ts";
import type { OciNamespace, OciProcess, OciResources } from "../oci/spec.ts";
import { identify, isAlive, signal } from "../process-identity.ts";
import { createCgroup, limitCgroup, limitDevices } from "./cgroup.ts";
import { ByHandError } from "./error.ts";
import { ENTERED_BEFORE, INIT_VARIABLE, type InitWork } from "./init.ts";
import { namespaceOf, requireAlive } from "./joined.ts";
import { CLONE, enterNamespaces } from "./namespaces.ts";
import { readBundle, refuseTracing } from "./spec.ts";
import { StateDirectory } from "./state.ts";

const KILL_TIMEOUT_MS = 10_000;
const MOUNTS = "/proc/thread-self/ns/mnt";

export interface CreateOptions {
  readonly bundle: string;
  readonly pidFile?: string | undefined;
  readonly consoleSocket?: string | undefined;
  /** The container keeps running when this process has ended. */
  readonly stdio: StdioOptions;
}

/** Makes a container, whose process waits for `start` (runtime-spec, runtime.md, "Create"). */
export async function create(root: string, id: string, options: CreateOptions): Promise<void> {
  const bundle = path.resolve(options.bundle);
  const spec = readBundle(bundle);
  const { linux } = spec;
  const state = new StateDirectory(root, id);
  state.create();
  const cgroup = linux.cgroupsPath;
  const cgroups = createCgroup(cgroup);
  const { consoleSocket } = options;
  const work: InitWork = {
    id,
    bundle,
    cgroup,
    consoleSocket,
    openFiles: callersOpenFiles(),
    startFifo: state.startFifo,
    machineMounts: readlinkSync(MOUNTS),
  };
  const namespaces = linux.namespaces.filter(({ type }) => ENTERED_BEFORE.includes(type));
  let child: ChildProcess | undefined;
  try {
    child = spawnIn(namespaces, work, options.stdio);
    await ready(child);
    if (cgroups && cgroup !== undefined) {
      limitCgroup(cgroups, cgroup, linux.resources);
      limitDevices(cgroup, linux.resources.devices ?? []);
    }
    const process_ = identify(child.pid!);
    if (!process_) throw new ByHandError("failed", "the container's process ended");
    state.write({ id, bundle, cgroup, process: process_ });
    if (options.pidFile) writeFileSync(options.pidFile, String(child.pid));
    child.unref();
  } catch (thrown) {
    child?.kill("SIGKILL");
    if (cgroup !== undefined) await cgroups?.remove(cgroup, { clock: systemClock() });
    state.remove();
    throw thrown;
  }
}

/**
 * Starts a created container: its process waits for a byte in the fifo, which is removed then.
 * Fails immediately if no process has the fifo open.
 */
export function start(root: string, id: string): void {
  const state = new StateDirectory(root, id);
  const status = state.status(state.read());
  if (status !== "created") {
    throw new ByHandError("failed-precondition", `container ${id} is ${status}, not created`);
  }
  // lab:01 begin start
  const fifo = openSync(state.startFifo, fileFlags.O_WRONLY | fileFlags.O_NONBLOCK);
  writeSync(fifo, "s");
  closeSync(fifo);
  rmSync(state.startFifo);
  // lab:01 end
}

/** The state as JSON (runtime-spec, runtime.md, "State"). */
export function stateOf(root: string, id: string): string {
  const directory = new StateDirectory(root, id);
  const state = directory.read();
  const status = directory.status(state);
  const pid = status === "stopped" ? 0 : state.process.pid;
  const { bundle } = state;
  return JSON.stringify({ ociVersion: "1.0.2", id, status, pid, bundle }, undefined, 2);
}

/** Sends a signal, by name or number, to a container's first process. */
export function kill(root: string, id: string, name: string): void {
  const { process: target } = new StateDirectory(root, id).read();
  const long = name.toUpperCase().replace(/^(?!SIG)/, "SIG") as NodeJS.Signals;
  const number = /^\d+$/.test(name) ? Number(name) : constants.signals[long];
  if (number === undefined) throw new ByHandError("invalid-argument", `unknown signal ${name}`);
  if (!isAlive(target)) throw new ByHandError("failed-precondition", `container ${id} has ended`);
  process.kill(target.pid, number);
}

/** Removes a container and its cgroup; one that runs only with `force`, which kills it. */
export async function remove(root: string, id: string, force: boolean): Promise<void> {
  const directory = new StateDirectory(root, id);
  const state = directory.read();
  if (directory.status(state) !== "stopped") {
    if (!force) throw new ByHandError("failed-precondition", `container ${id} has not ended`);
    signal(state.process, "SIGKILL");
    const options = { clock: systemClock(), timeout_ms: KILL_TIMEOUT_MS, interval_ms: 5 };
    await waitFor(`the end of ${id}`, () => !isAlive(state.process), options);
  }
  const { cgroup } = state;
  if (cgroup !== undefined) await openCgroups().remove(cgroup, { clock: systemClock() });
  directory.remove();
}

/** Changes a container's limits: `file` has LinuxResources of the runtime spec. */
export function update(root: string, id: string, file: string): void {
  const { cgroup } = new StateDirectory(root, id).read();
  if (cgroup === undefined) throw new ByHandError("failed-precondition", `${id} has no cgroup`);
  limitCgroup(openCgroups(), cgroup, JSON.parse(readFileSync(file, "utf8")) as OciResources);
}

export interface ExecOptions {
  /** A file with the process of the runtime spec. */
  readonly processFile: string;
  readonly pidFile?: string | undefined;
  readonly consoleSocket?: string | undefined;
}

/** Runs another process in a container; resolves with its exit code. */
export async function exec(root: string, id: string, options: ExecOptions): Promise<number> {
  const directory = new StateDirectory(root, id);
  const state = directory.read();
  if (directory.status(state) !== "running") {
    throw new ByHandError("failed-precondition", `container ${id} is not running`);
  }
  const described = JSON.parse(readFileSync(options.processFile, "utf8")) as OciProcess;
  refuseTracing(described);
  const { bundle, cgroup, process: first } = state;
  const { consoleSocket } = options;
  const work: InitWork = {
    id,
    bundle,
    cgroup,
    consoleSocket,
    openFiles: callersOpenFiles(),
    join: { first, process: described },
  };
  const hasPid = readBundle(bundle).linux.namespaces.some(({ type }) => type === "pid");
  const joined = hasPid ? [{ type: "pid", path: namespaceOf(first, "pid") } as const] : [];
  const child = spawnIn(joined, work, "inherit", () => requireAlive(id, first));
  const ended = new Promise<number>((resolve) => {
    child.on("exit", (code, name) => resolve(code ?? exitCodeOf(name)));
  });
  await ready(child);
  if (options.pidFile) writeFileSync(options.pidFile, String(child.pid));
  return await ended;
}

/**
 * Starts the process that becomes the container's in a pid namespace, which children alone enter,
 * and in a new mount namespace, so that all of its threads have one root and leave it together.
 */
function spawnIn(
  namespaces: readonly OciNamespace[],
  work: InitWork,
  stdio: StdioOptions,
  opened?: () => void,
): ChildProcess {
  const home = openSync("/proc/thread-self/ns/pid", "r");
  using _mounts = keepMounts();
  const program = readOnlyCopy(process.execPath);
  try {
    enterNamespaces(namespaces, opened);
    const streams = Array.isArray(stdio) ? stdio : [stdio, stdio, stdio];
    const flags = process.execArgv;
    const file = `/proc/self/fd/${program}`;
    const child = spawn(file, [...flags, process.argv[1]!, ...initWords()], {
      stdio: [...streams, "pipe"] as StdioOptions,
      env: { ...process.env, [INIT_VARIABLE]: JSON.stringify(work) },
    });
    // `ready` rejects with it.
    child.on("error", () => child.unref());
    return child;
  } finally {
    check("setns", libc.setns(home, CLONE.pid), "back to the own pid namespace");
    closeSync(home);
    closeSync(program);
  }
}

/** Brings this thread back to its mount namespace and working directory when it is disposed of. */
function keepMounts(): Disposable {
  const name = readlinkSync(MOUNTS);
  const fd = openSync(MOUNTS, "r");
  const cwd = process.cwd();
  return {
    [Symbol.dispose]() {
      if (readlinkSync(MOUNTS) !== name) {
        check("setns", libc.setns(fd, CLONE.mount), "back to the own mount namespace");
        process.chdir(cwd);
      }
      closeSync(fd);
    },
  };
}

/**
 * Opens a read-only mount of a program. An image can have the process execute itself
 * (`#!/proc/self/exe`); through a mount of the machine it could then overwrite the program there
 * (CVE-2019-5736).
 */
function readOnlyCopy(program: string): number {
  const mount = cloneMount(program, { recursive: false });
  setMountAttributes(mount, { set: MountAttribute.readonly, recursive: false });
  return mount;
}

/** The words that start this program as a command of a larger one's command line. */
const initWords = (): string[] => (process.argv[2] === "by-hand" ? ["by-hand", "init"] : ["init"]);

/** Resolves when the process is ready; rejects with its reason. */
function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    const pipe = child.stdio[3] as Readable;
    child.on("error", reject);
    pipe.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    pipe.on("error", reject);
    pipe.on("close", () => {
      const [line = ""] = text.split("\n");
      const { error = "the container's process ended before it was ready" } =
        line === "" ? {} : (JSON.parse(line) as { error?: string; ready?: boolean });
      if (line.includes('"ready"')) resolve();
      else reject(new ByHandError("failed", error));
    });
  });
}

/** The limits of open files that the caller has: Node raises its own soft limit at its start. */
function callersOpenFiles(): [string, string] {
  const FALLBACK: [string, string] = ["1024", "4096"];
  try {
    const limits = readFileSync(`/proc/${process.ppid}/limits`, "utf8");
    const [, soft, hard] = /^Max open files\s+(\d+)\s+(\d+)/m.exec(limits) ?? [];
    return soft && hard ? [soft, hard] : FALLBACK;
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT", "EACCES")) throw thrown;
    return FALLBACK;
  }
}
