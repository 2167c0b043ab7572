import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { inUserNamespace, readMappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import { create, remove, start, stateOf } from "@raft2kube/runtime/by-hand/commands.ts";
import { ByHandError } from "@raft2kube/runtime/by-hand/error.ts";
import type { OciSpec } from "@raft2kube/runtime/oci/spec.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { NOT_WRITTEN, stillAtWork } from "../check.ts";
import { judge } from "../judge.ts";
import { untilQuiet } from "../quiet.ts";
import { ROOT_DIR } from "../runner/paths.ts";

const PROGRAM = join(ROOT_DIR, "runtime/by-hand/program.ts");
const BUSYBOX = ["/bin/busybox", "/usr/bin/busybox"];
const APPLETS = ["sh", "ls", "cat", "grep", "echo", "sleep", "readlink", "hostname", "id", "touch"];
// `create` starts the program of its own process: here it is that of the checks.
process.argv[1] = PROGRAM;
const COMMAND_MS_MAX = 50_000;
/** Patience of `untilQuiet` for a program's output. */
const OUTPUT_PATIENCE = 2;
const NAMESPACES = ["pid", "net", "ipc", "uts", "mnt"];

/** A root of an ordinary container: what is not in here is dropped. */
const CAPABILITIES = ["CAP_CHOWN", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_NET_BIND_SERVICE"];

/** A container's description for the checks: `sh -c script` in a root of busybox. */
export function specOf(script: string): OciSpec {
  const sets = { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES };
  const plain = ["nosuid", "noexec", "nodev"];
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid: 0, gid: 0, additionalGids: [] },
      args: ["sh", "-c", script],
      env: ["PATH=/bin"],
      cwd: "/",
      capabilities: { ...sets, inheritable: [], ambient: [] },
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "hand",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc", options: plain },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
      { destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["nosuid", "size=64k"] },
    ],
    linux: {
      namespaces: ["pid", "network", "ipc", "uts", "mount"].map((type) => {
        return { type } as OciSpec["linux"]["namespaces"][number];
      }),
      resources: {},
      maskedPaths: ["/proc/keys", "/proc/fs", "/proc/not-there"],
      readonlyPaths: ["/proc/sys", "/proc/not-there"],
    },
  };
}

/** Leaves a check out where an ordinary user runs it, as root of a user namespace. */
export const AS_ROOT = {
  leftOut: inUserNamespace(readMappedIds()) ? "it takes root: sudo npm run lab check 1" : undefined,
};

/** A command's exit code, with everything that it printed. */
export type Ended = { readonly code: number; readonly output: string };

/** The files of a command's output, and of its errors. */
class Output implements Disposable {
  readonly output: number;
  readonly errors: number;

  constructor(output: string, errors: string) {
    this.output = openSync(output, "a");
    this.errors = openSync(errors, "w");
  }

  [Symbol.dispose](): void {
    closeSync(this.output);
    closeSync(this.errors);
  }
}

/** Runs a command of the runtime, and returns what its program would have ended with. */
async function endedOf(command: () => void | Promise<void>): Promise<Ended> {
  try {
    await command();
    return { code: 0, output: "" };
  } catch (thrown) {
    const output = messageOf(thrown);
    if (thrown instanceof ByHandError) refuseUnwritten(output);
    else if (NOT_WRITTEN.test(output)) throw thrown;
    return { code: 1, output };
  } finally {
    stillAtWork();
  }
}

/** Throws the error of a body that another process has found not to be written. */
function refuseUnwritten(said: string): void {
  const unwritten = NOT_WRITTEN.exec(said)?.[0];
  if (unwritten !== undefined) throw new Error(unwritten);
}

/** A bundle with its container; `using` removes both. */
export class LabContainer implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "r2k-hand-"));
  readonly id = "hand";
  /** Words before the runtime's own: the program that starts it. */
  wrapper: readonly string[] = [];
  readonly #output = join(this.folder, "output");
  readonly #pidFile = join(this.folder, "pid");
  /** The process that `create` starts keeps this file open, and writes its own error there. */
  readonly #errors = join(this.folder, "errors");
  readonly #root = join(this.folder, "state");

  readonly spec: OciSpec;

  constructor(spec: OciSpec) {
    this.spec = spec;
    const bin = join(this.folder, "rootfs/bin");
    mkdirSync(bin, { recursive: true });
    writeFileSync(this.#output, "");
    const busybox = BUSYBOX.find((file) => existsSync(file)) ?? BUSYBOX[0]!;
    copyFileSync(busybox, join(bin, "busybox"));
    for (const name of APPLETS) symlinkSync("busybox", join(bin, name));
  }

  /** Runs a command of the runtime as a process: the reader's files over the product's. */
  run(command: string, ...words: string[]): Ended {
    using files = new Output(this.#output, this.#errors);
    const args = [...process.execArgv, "--disable-warning=ExperimentalWarning", PROGRAM];
    const root = ["--root", this.#root, command];
    const line = [...this.wrapper, process.execPath, ...args, ...root, ...words];
    const isCreate = command === "create";
    const result = spawnSync(line[0]!, line.slice(1), {
      stdio: ["ignore", isCreate ? files.output : "pipe", files.errors],
      timeout: COMMAND_MS_MAX,
      killSignal: "SIGKILL",
      encoding: "utf8",
    });
    // The loop did not turn: of many commands none is silence.
    stillAtWork();
    const said = `${result.stdout ?? ""}${readFileSync(this.#errors, "utf8")}`.trim();
    refuseUnwritten(said);
    return { code: result.status ?? -1, output: said };
  }

  /** Creates it from this process, which takes a program less, or with the wrapper's words. */
  async create(): Promise<Ended> {
    const { folder: bundle, id, spec } = this;
    writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));
    if (this.wrapper.length > 0) {
      return this.run("create", "--bundle", bundle, "--pid-file", this.#pidFile, id);
    }
    using files = new Output(this.#output, this.#errors);
    const stdio = ["ignore", files.output, files.errors] as const;
    const options = { bundle, pidFile: this.#pidFile, stdio: [...stdio] };
    return await endedOf(() => create(this.#root, id, options));
  }

  start(): Promise<Ended> {
    return endedOf(() => start(this.#root, this.id));
  }

  delete(): Promise<Ended> {
    return endedOf(() => remove(this.#root, this.id, false));
  }

  /** Creates it, and judges that it is. */
  async created(): Promise<void> {
    this.#judge("create", await this.create());
  }

  /** Creates and starts it; judges that it does. */
  async up(): Promise<void> {
    await this.created();
    this.#judge("start", await this.start());
  }

  #judge(command: string, { code, output }: Ended): void {
    judge(code === 0, {
      when: `${command} of a container with ${namespaceNames(this.spec)}`,
      expected: "exit code 0",
      happened: `exit code ${code}: ${output}`,
      why: "the Pod stays ContainerCreating, with this message in its events",
    });
  }

  /** The container's first process, as `create` has written it. */
  get pid(): number {
    return Number(readFileSync(this.#pidFile, "utf8"));
  }

  /** The status as the runtime reports it; undefined if it knows no such container. */
  status(): string | undefined {
    try {
      return (JSON.parse(stateOf(this.#root, this.id)) as { status: string }).status;
    } catch (thrown) {
      if (thrown instanceof ByHandError && thrown.code === "not-found") return undefined;
      throw thrown;
    }
  }

  /**
   * The container's output, once that has `word` in it, its process has ended, or time is up.
   * Judges that it has not ended before the word, with its own error.
   */
  async printed(word: string): Promise<string> {
    let text = "";
    const isOver = () => {
      const hasEnded = !runs(this.pid);
      text = readFileSync(this.#output, "utf8");
      return text.includes(word) || hasEnded;
    };
    await untilQuiet(isOver, () => text, OUTPUT_PATIENCE);
    const error = text.includes(word) ? "" : this.#ownError();
    judge(error === "", {
      when: `the container runs, up to its line "${word}"`,
      expected: "its process executes the program, which prints it",
      happened: `it ended before: ${error}`,
      why: "the Pod is in CrashLoopBackOff, with this message as the container's last one",
    });
    return text;
  }

  /** Returns the standard error of a container's process that has ended; empty while it runs. */
  #ownError(): string {
    if (runs(this.pid)) return "";
    return readFileSync(this.#errors, "utf8").trim();
  }

  /** Names of the container's open files, as in /proc/PID/fd. */
  openFiles(): string[] {
    const folder = `/proc/${this.pid}/fd`;
    return readdirSync(folder).map((fd) => readlinkSync(join(folder, fd)));
  }

  [Symbol.dispose](): void {
    if (existsSync(this.#pidFile)) killIfAlive(this.pid);
    // Of a mount that came out of the container.
    unmount(join(this.folder, "rootfs"), { detach: true });
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function namespaceNames({ linux }: OciSpec): string {
  return `the namespaces ${linux.namespaces.map(({ type }) => type).join(", ")}`;
}

/** Whether a process runs: one that has ended may wait for its parent, which asks for no end. */
function runs(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT", "ESRCH")) return false;
    throw thrown;
  }
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (thrown) {
    if (!isErrno(thrown, "ESRCH")) throw thrown;
  }
}

/** The namespaces of a process, as `pid 4026531836`. */
export function namespacesOf(pid: number | "self"): Map<string, string> {
  return new Map(NAMESPACES.map((name) => [name, readlinkSync(`/proc/${pid}/ns/${name}`)]));
}

/** A process that sleeps in a network namespace of its own, to be joined. */
export async function sleeper(): Promise<Disposable & { readonly pid: number }> {
  const child = spawn("unshare", ["--net", "sleep", "30"], { stdio: "ignore" });
  const own = readlinkSync("/proc/self/ns/net");
  while (readlinkSync(`/proc/${child.pid}/ns/net`) === own) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return { pid: child.pid!, [Symbol.dispose]: () => void child.kill("SIGKILL") };
}
