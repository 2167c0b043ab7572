import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { FileType } from "@raft2kube/linux/file/special-file.ts";
import { check, libc } from "@raft2kube/linux/syscall/libc.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { isAlive, type ProcessIdentity } from "../process-identity.ts";
import { ByHandError } from "./error.ts";

/** The record of a container, in `<root>/<id>/by-hand.json`. */
export interface ContainerState {
  readonly id: string;
  readonly bundle: string;
  readonly cgroup: string | undefined;
  readonly process: ProcessIdentity;
}

/** The files of one container below the runtime's root. */
export class StateDirectory {
  readonly directory: string;
  readonly #id: string;

  constructor(root: string, id: string) {
    if (!/^[\w.+-]+$/.test(id) || id.startsWith(".")) {
      throw new ByHandError("invalid-argument", `container id ${JSON.stringify(id)}`);
    }
    this.#id = id;
    this.directory = path.join(root, id);
  }

  /** A fifo: a byte in it starts the container; it is removed then. */
  get startFifo(): string {
    return path.join(this.directory, "start");
  }

  get #file(): string {
    return path.join(this.directory, "by-hand.json");
  }

  /** Makes the directory and the fifo. Throws if the container exists. */
  create(): void {
    mkdirSync(path.dirname(this.directory), { recursive: true, mode: 0o700 });
    try {
      mkdirSync(this.directory, { mode: 0o700 });
    } catch (cause) {
      if (!isErrno(cause, "EEXIST")) throw cause;
      throw new ByHandError("exists", `container ${this.#id} exists already`, { cause });
    }
    const bytes = Buffer.from(`${this.startFifo}\0`);
    check("mknodat", libc.mknodat(-100, bytes, FileType.fifo | 0o600, 0), this.startFifo);
  }

  write(state: ContainerState): void {
    writeFileSync(this.#file, JSON.stringify(state), { mode: 0o600 });
  }

  /** Throws if there is no such container. */
  read(): ContainerState {
    try {
      return JSON.parse(readFileSync(this.#file, "utf8")) as ContainerState;
    } catch (cause) {
      if (!isErrno(cause, "ENOENT")) throw cause;
      throw new ByHandError("not-found", `container ${this.#id} does not exist`, { cause });
    }
  }

  /** The status in the runtime spec's words (runtime.md, "State"). */
  status({ process }: ContainerState): "created" | "running" | "stopped" {
    // lab:01 begin status
    if (!isAlive(process)) return "stopped";
    return existsSync(this.startFifo) ? "created" : "running";
    // lab:01 end
  }

  remove(): void {
    for (const file of [this.startFifo, this.#file]) rmSync(file, { force: true });
    rmdirSync(this.directory);
  }
}
