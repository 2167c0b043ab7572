import {
  accessSync,
  closeSync,
  constants,
  openSync,
  readlinkSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { DetachedMount } from "@raft2kube/linux/mount/detached-mount.ts";
import { MountFlag } from "@raft2kube/linux/mount/mount.ts";
import {
  closeOnExec,
  defaultSignal,
  execve,
  joinNewKeyring,
  limitOpenFiles,
  newSession,
  prctl,
  setHostname,
} from "@raft2kube/linux/process/process-calls.ts";
import { check, libc } from "@raft2kube/linux/syscall/libc.ts";
import { step } from "@raft2kube/linux/syscall/steps.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import type { OciProcess, OciSpec } from "../oci/spec.ts";
import type { ProcessIdentity } from "../process-identity.ts";
import { joinCgroup } from "./cgroup.ts";
import { makeDevices } from "./devices.ts";
import { ByHandError } from "./error.ts";
import { makeDirectory } from "./inside.ts";
import { namespaceOf, requireAlive } from "./joined.ts";
import { maskPaths, mountAll, openSources, protectPaths, protectRoot } from "./mounts.ts";
import { enterNamespaces } from "./namespaces.ts";
import { dropPrivileges, ownPrivileges, privilegesCommand } from "./privileges.ts";
import { enterRoot } from "./root.ts";
import { filterCommand, prepareFilter } from "./seccomp.ts";
import { readBundle } from "./spec.ts";
import { connectConsole, takeTerminal } from "./terminal.ts";

/** The variable with the work of the process that becomes a container's. */
export const INIT_VARIABLE = "R2K_BY_HAND_INIT";

/** The pipe on which it reports that it is ready, or why not. */
export const REPORT_FD = 3;

const PR_SET_DUMPABLE = 4;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
/** Node ignores these. */
const IGNORED_SIGNALS = [13, 25];
const UMASK = 0o022;
/** A process is made in them; the others it enters itself. */
export const ENTERED_BEFORE: readonly string[] = ["pid", "mount"];
const EMPTY = {
  type: "tmpfs",
  source: "tmpfs",
  options: ["size=4k"],
  attributes: MountFlag.readonly,
};

/** The work of one such process: the first of a container, or another in one that runs. */
export interface InitWork {
  readonly id: string;
  readonly bundle: string;
  readonly cgroup?: string | undefined;
  readonly consoleSocket?: string | undefined;
  /** The soft and hard limit of open files, as the caller had them: Node raises its own. */
  readonly openFiles: readonly [string, string];
  /** Fifo that starts the first process. */
  readonly startFifo?: string;
  /** The machine's mount namespace, in which the first process must not be. */
  readonly machineMounts?: string;
  /** First process, whose namespaces any other enters, and the other's own description. */
  readonly join?: { readonly first: ProcessIdentity; readonly process: OciProcess };
}

/**
 * Becomes a container's process. Everything is done on the main thread, whose namespaces and
 * credentials the program gets by execve; Node's other threads end there.
 */
export function becomeProcess(work: InitWork): never {
  try {
    prctl(PR_SET_DUMPABLE, 0);
    const spec = readBundle(work.bundle);
    const process_ = work.join?.process ?? spec.process;
    const own = ownPrivileges();
    const release = work.join ? joinContainer(work, spec) : makeContainer(work, spec);
    enterWorkingDirectory(process_.cwd);
    const program = findExecutable(process_);
    writeSync(REPORT_FD, `${JSON.stringify({ ready: true })}\n`);
    closeSync(REPORT_FD);
    release();
    limitOpenFiles(BigInt(work.openFiles[0]), BigInt(work.openFiles[1]));
    process.umask(UMASK);
    for (const number of IGNORED_SIGNALS) defaultSignal(number);
    closeOnExec(REPORT_FD);
    for (const fd of [0, 1, 2]) handOver(fd);
    step(() => privilegesCommand(process_));
    step(() => filterCommand(spec.linux.seccomp));
    dropPrivileges(process_, spec.linux.seccomp, own);
    execve(program, process_.args, process_.env);
  } catch (thrown) {
    report(messageOf(thrown));
    process.exit(1);
  }
}

/**
 * Keeps a standard stream open for the program, as the caller made it. Node makes pipes
 * non-blocking when a module looks at its streams, and most programs take EAGAIN for an error.
 */
function handOver(fd: number): void {
  check("fcntl", libc.fcntl(fd, F_SETFD, 0), String(fd));
  const flags = check("fcntl", libc.fcntl(fd, F_GETFL, 0), String(fd));
  check("fcntl", libc.fcntl(fd, F_SETFL, flags & ~constants.O_NONBLOCK), String(fd));
}

function report(message: string): void {
  try {
    writeSync(REPORT_FD, `${JSON.stringify({ error: message })}\n`);
  } catch (thrown) {
    if (!isErrno(thrown, "EBADF", "EPIPE")) throw thrown;
    writeSync(2, `by-hand: ${message}\n`);
  }
}

/** Takes from the machine the files needed inside: they are out of reach afterwards. */
function prepare(
  { id, cgroup, consoleSocket }: InitWork,
  spec: OciSpec,
  { oomScoreAdj }: OciProcess,
): number | undefined {
  process.umask(0);
  joinCgroup(cgroup);
  if (oomScoreAdj !== undefined) {
    step(() => `echo ${oomScoreAdj} > /proc/self/oom_score_adj`);
    writeFileSync("/proc/self/oom_score_adj", String(oomScoreAdj));
  }
  joinNewKeyring(`_ses.${id}`);
  newSession();
  if (spec.linux.seccomp) prepareFilter(spec.linux.seccomp);
  return consoleSocket === undefined ? undefined : connectConsole(consoleSocket);
}

/** Makes the container around this process. Returns a function that waits for its start. */
function makeContainer(work: InitWork, spec: OciSpec): () => void {
  const console_ = prepare(work, spec, spec.process);
  const { linux, process: described } = spec;
  const start = openSync(work.startFifo!, constants.O_RDWR);
  requireOwnMounts(work);
  enterNamespaces(linux.namespaces.filter(({ type }) => !ENTERED_BEFORE.includes(type)));
  const sources = openSources(spec);
  enterRoot(path.resolve(work.bundle, spec.root.path));
  mountAll(spec, sources);
  makeDevices(linux.devices ?? [], sources.devices);
  if (spec.hostname) setHostname(spec.hostname);
  for (const [name, value] of Object.entries(linux.sysctl ?? {})) {
    step(() => ["sysctl", "-w", `${name}=${value}`]);
    writeFileSync(`/proc/sys/${name.replaceAll(".", "/")}`, value);
  }
  if (console_ !== undefined) takeTerminal(console_, described, { console: true });
  for (const at of linux.readonlyPaths ?? []) step(() => `mount --rbind -o ro ${at} ${at}`);
  protectPaths(linux.readonlyPaths ?? []);
  for (const at of linux.maskedPaths ?? []) step(() => `mount --bind /dev/null ${at}`);
  maskPaths(linux.maskedPaths ?? [], sources);
  if (spec.root.readonly) protectRoot();
  return () => void readSync(start, Buffer.alloc(1));
}

/**
 * Throws if this process is in the machine's mount namespace. The namespace is made before the
 * process: one that the main thread made for itself would leave the machine's root to the other
 * threads, and the image a way to it (/proc/self/task/2/root).
 */
function requireOwnMounts({ machineMounts }: InitWork): void {
  if (machineMounts && readlinkSync("/proc/thread-self/ns/mnt") !== machineMounts) return;
  throw new ByHandError("failed", "the container has no mount namespace of its own", {
    remedy: "with a lab's part of your own: compare its commands.ts with the product's",
  });
}

/**
 * Enters the namespaces of a container that runs. Its mount namespace is entered by the main thread
 * alone: the root that it shares with the others until then becomes an empty file system, so that
 * no path of the image leads to the machine by way of them.
 */
function joinContainer(work: InitWork, spec: OciSpec): () => void {
  const console_ = prepare(work, spec, work.join!.process);
  const { first, process: described } = work.join!;
  const types = spec.linux.namespaces.map(({ type }) => type).filter((type) => type !== "pid");
  const paths = types.map((type) => ({ type, path: namespaceOf(first, type) }));
  using empty = DetachedMount.open(EMPTY);
  let isLeft = false;
  enterNamespaces(paths, () => {
    requireAlive(work.id, first);
    empty.becomeRoot();
    isLeft = true;
  });
  if (!isLeft) throw new ByHandError("failed", "enterNamespaces did not call `opened`");
  if (console_ !== undefined) takeTerminal(console_, described, { console: false });
  return () => undefined;
}

/** A descriptor of the machine can lead out of the root (CVE-2024-21626): links stay in it. */
function enterWorkingDirectory(cwd: string): void {
  using directory = makeDirectory(cwd);
  check("fchdir", libc.fchdir(directory.fd), cwd);
}

/** Finds the program as execvp(3) does, by the process's own PATH. */
function findExecutable({ args, env }: OciProcess): string {
  const [name = ""] = args;
  const search = env.findLast((pair) => pair.startsWith("PATH="))?.slice("PATH=".length) ?? "";
  const places = name.includes("/") ? [name] : search.split(":").map((dir) => path.join(dir, name));
  const found = places.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch (thrown) {
      if (isErrno(thrown, "ENOENT", "EACCES", "ENOTDIR", "ELOOP")) return false;
      throw thrown;
    }
  });
  if (found !== undefined) return found;
  const message = name.includes("/") ? "no such file or directory" : "not found in $PATH";
  throw new ByHandError("not-found", `executable file ${JSON.stringify(name)}: ${message}`);
}
