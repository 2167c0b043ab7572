import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import type { CgroupMode } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { type CommandResult, runCommand } from "../command.ts";
import { RuntimeError } from "../errors.ts";
import { removeEnded, startWaiting } from "./crun-state.ts";
import { knowsRecursiveReadOnly, knowsUserNamespaces } from "./features.ts";
import { managerArgs } from "./hidden-cgroups.ts";
import { canMapIds } from "./mapped-ids.ts";
import type { OciProgram } from "./program.ts";

/** runsc applies the filter of system calls where it is asked to. */
const RUNSC_ARGS = ["--network=host", "--oci-seccomp"];

/** State of a container as the program reports it. */
export interface OciState {
  status: "creating" | "created" | "running" | "stopped" | "paused";
  pid: number;
}

/** One OCI runtime with its state directory: each call runs the program once. */
export class OciRuntime {
  readonly program: OciProgram;
  readonly #root: string;
  readonly #cgroups: CgroupMode;
  readonly #data: string;
  readonly #time: string | undefined;
  #recursiveReadOnly: boolean | undefined;
  #userNamespaces: boolean | undefined;

  /**
   * `root` is absolute: crun resolves it against the bundle otherwise. `data` is a folder on the
   * file system of image layers and volumes. With `time`, a pinned time namespace, its containers
   * have the clocks of that one.
   */
  constructor(
    program: OciProgram,
    root: string,
    cgroups: CgroupMode = "machine",
    data: string = root,
    time?: string,
  ) {
    if (cgroups === "none" && program.kind !== "crun") {
      const message = `${program.kind} cannot do without cgroups`;
      throw new RuntimeError("failed-precondition", message, { remedy: "use crun" });
    }
    this.program = program;
    this.#root = root;
    this.#cgroups = cgroups;
    this.#data = data;
    this.#time = time;
  }

  /**
   * The same in a time namespace: all its commands, as the start of a process that it compares has
   * another time outside.
   */
  within(time: string): OciRuntime {
    return new OciRuntime(this.program, this.#root, this.#cgroups, this.#data, time);
  }

  /** Whether recursive read-only mounts are supported; cached. */
  async recursiveReadOnly(): Promise<boolean> {
    return (this.#recursiveReadOnly ??= await knowsRecursiveReadOnly(this.program));
  }

  /** Whether pods can have user namespaces of their own; cached. */
  async userNamespaces(): Promise<boolean> {
    return (this.#userNamespaces ??=
      (await knowsUserNamespaces(this.program)) && (await canMapIds(this.#data)));
  }

  /** The program that is started for each command. */
  get path(): string {
    return this.#time === undefined ? this.program.path : "/usr/bin/env";
  }

  /** Arguments that stand before every command. */
  get globalArgs(): string[] {
    const within =
      this.#time === undefined ? [] : ["nsenter", `--time=${this.#time}`, this.program.path];
    // The pod's network is the one of its namespace, which all its containers share.
    const own = this.program.kind === "runsc" ? RUNSC_ARGS : [];
    return [...within, ...managerArgs(this.#cgroups), ...own, "--root", this.#root];
  }

  /** Whether commands have pids of its own kernel, which this machine's does not know. */
  get hasOwnPids(): boolean {
    return this.program.kind === "runsc";
  }

  /** The flag of `exec` that names the file for the command's pid. */
  get pidFileFlag(): string {
    return this.hasOwnPids ? "--internal-pid-file" : "--pid-file";
  }

  /** SIGKILL to a command by its pid in a kernel of its own. */
  async killInside(id: string, pid: number): Promise<void> {
    await this.#run("kill", id, ["--pid", String(pid), id, "KILL"]);
  }

  /** Creates and starts a container without a monitor: its output is discarded. */
  async runDetached(id: string, bundle: string, pidFile: string): Promise<number> {
    const args = ["run", "--detach", "--bundle", bundle, "--pid-file", pidFile, id];
    // The container keeps these: pipes would never end.
    const stdio: ("ignore" | number)[] = ["ignore", "ignore", "ignore"];
    const log = path.join(bundle, "oci.log");
    await rm(log, { force: true });
    const program = [...this.globalArgs, "--log", log, ...args];
    const result = await runCommand(this.path, program, { spawn: { stdio } });
    if (result.code !== 0) throw this.#failure("run", id, await readLog(log), result.code);
    return Number(await readFile(pidFile, "utf8"));
  }

  /** Starts a created container's process. */
  async start(id: string): Promise<void> {
    if (this.program.kind === "crun" && (await startWaiting(this.#root, id))) return;
    await this.#run("start", id, [id]);
  }

  /** Freezes all processes of a container. */
  async pause(id: string): Promise<void> {
    await this.#run("pause", id, [id]);
  }

  /** Lets a frozen container's processes go on. */
  async resume(id: string): Promise<void> {
    await this.#run("resume", id, [id]);
  }

  /**
   * Removes a container; the caller removes its cgroup. With `force` it is killed; one unknown is
   * no error.
   */
  async delete(id: string, options: { force?: boolean } = {}): Promise<void> {
    if (this.program.kind === "crun" && (await removeEnded(this.#root, id))) return;
    const args = options.force ? ["delete", "--force", id] : ["delete", id];
    const result = await this.#try(args);
    if (result.code === 0) return;
    // A forced delete that found the cgroup busy has removed the container's state regardless.
    if ((await this.state(id)) === undefined) return;
    throw this.#failure("delete", id, result.stderr.toString("utf8"), result.code);
  }

  /** State of a container; undefined when the program knows no such container. */
  async state(id: string): Promise<OciState | undefined> {
    const result = await this.#try(["state", id]);
    if (result.code !== 0) return undefined;
    const state = JSON.parse(result.stdout.toString("utf8")) as OciState;
    return { status: state.status, pid: state.pid };
  }

  /** Changes limits; `resources` is a file with the spec's LinuxResources. */
  async update(id: string, resourcesFile: string): Promise<void> {
    if (this.program.kind === "runsc") {
      const remedy = "make the pod again with the other limits";
      throw new RuntimeError("unimplemented", "runsc changes no limits", { remedy });
    }
    await this.#run("update", id, ["--resources", resourcesFile, id]);
  }

  #try(args: string[]): Promise<CommandResult> {
    return runCommand(this.path, [...this.globalArgs, ...args]);
  }

  async #run(command: string, id: string, args: string[]): Promise<void> {
    const result = await this.#try([command, ...args]);
    if (result.code === 0) return;
    throw this.#failure(command, id, result.stderr.toString("utf8"), result.code);
  }

  #failure(command: string, id: string, output: string, code: number): RuntimeError {
    const why = output.trim() || `exit code ${code}`;
    const message = `${this.program.kind} ${command} ${id}: ${why}`;
    return new RuntimeError("internal", message);
  }
}

/** Returns the messages of the program's log. */
export async function readLog(file: string): Promise<string> {
  try {
    const text = await readFile(file, "utf8");
    return text.replace(/^time="?[^ \n]*"? level=\w+ msg=/gm, "").trim();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return "";
    throw error;
  }
}
