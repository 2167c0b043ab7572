import { closeSync, readSync } from "node:fs";
import { assert } from "@raft2kube/std/assert.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { closeAside } from "../file/aside.ts";
import { check, libc, SystemCallError } from "../syscall/libc.ts";
import { AT_FDCWD } from "../syscall/numbers.ts";

/** The same on every architecture: system calls from 424 on share one table. */
const SYS_MOVE_MOUNT = 429;
const SYS_FSOPEN = 430;
const SYS_FSCONFIG = 431;
const SYS_FSMOUNT = 432;
/** FSOPEN_CLOEXEC and FSMOUNT_CLOEXEC. */
const CLOEXEC = 1;
const CONFIG_SET_FLAG = 0;
const CONFIG_SET_STRING = 1;
const CONFIG_CREATE = 6;
/** The mount of the descriptor itself, not a path below it. */
const MOVE_FROM_EMPTY_PATH = 4;
const MOVE_TO_EMPTY_PATH = 0x40;
/** The kernel keeps at most 8 lines of a context (fs_context.h). */
const LOG_LINES_MAX = 8;
const LOG_LINE_BYTES = 1024;

/**
 * A mount that no path leads to: only its descriptor does, and the kernel takes it away when that
 * is closed, also by the end of the process. Linux 5.2.
 */
export class DetachedMount implements Disposable, AsyncDisposable {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * Mounts a file system. `options` are the file system's own, `name` or `name=value`;
   * `attributes` are the mount's, and only those of MountFlag that mount_setattr(2) knows by the
   * same bits: readonly, nosuid, nodev, noexec. The error has what the kernel reported (fsopen(2)).
   */
  static open(what: {
    type: string;
    source: string;
    options?: readonly string[];
    attributes?: number;
  }): DetachedMount {
    const { type, source, options = [], attributes = 0 } = what;
    const detail = `${type} of ${source}`;
    const context = check("fsopen", libc.fsopen(SYS_FSOPEN, type, CLOEXEC), detail);
    try {
      const configure = (command: number, key: string | null, value: string | null) => {
        const result = libc.fsconfig(SYS_FSCONFIG, context, command, key, value, 0);
        const what = `${detail}${key === null ? "" : `, ${key}`}`;
        if (result < 0) failWithLog(context, what);
      };
      configure(CONFIG_SET_STRING, "source", source);
      for (const option of options) {
        const at = option.indexOf("=");
        if (at < 0) configure(CONFIG_SET_FLAG, option, null);
        else configure(CONFIG_SET_STRING, option.slice(0, at), option.slice(at + 1));
      }
      configure(CONFIG_CREATE, null, null);
      const fd = libc.fsmount(SYS_FSMOUNT, context, CLOEXEC, attributes);
      return new DetachedMount(check("fsmount", fd, detail));
    } finally {
      closeSync(context);
    }
  }

  /** The root of the mount, as a path that holds as long as this does, for other programs too. */
  get path(): string {
    return `/proc/${process.pid}/fd/${this.#fd}/.`;
  }

  /** Shows the mount at the place of a descriptor, as `attach` does. */
  attachAt(place: number): void {
    const result = libc.move_mount(
      SYS_MOVE_MOUNT,
      this.#fd,
      "",
      place,
      "",
      MOVE_FROM_EMPTY_PATH | MOVE_TO_EMPTY_PATH,
    );
    check("move_mount", result, String(place));
  }

  /** Shows the mount at `target`, no link, where it stays when this is disposed of. */
  attach(target: string): void {
    const result = libc.move_mount(
      SYS_MOVE_MOUNT,
      this.#fd,
      "",
      AT_FDCWD,
      target,
      MOVE_FROM_EMPTY_PATH,
    );
    check("move_mount", result, target);
  }

  /**
   * Makes it the root and the working directory of this thread, and of all threads that share them
   * with it (CLONE_FS). Needs procfs at /proc. The path of the own pid would not do: procfs may be
   * of another pid namespace.
   */
  becomeRoot(): void {
    process.chdir(`/proc/self/fd/${this.#fd}`);
    check("chroot", libc.chroot("."), "a mount without a path");
    process.chdir("/");
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  /** The same, and the kernel frees in another thread what it knows of many files. */
  [Symbol.asyncDispose](): Promise<void> {
    return closeAside(this.#fd);
  }
}

/** Throws the error of the last call, with the kernel's lines about it: `e nfs: ...`. */
function failWithLog(context: number, detail: string): never {
  try {
    check("fsconfig", -1, detail);
  } catch (thrown) {
    const log = readLog(context);
    if (log === "" || !(thrown instanceof SystemCallError)) throw thrown;
    throw new SystemCallError("fsconfig", thrown.errno, `${detail} (${log})`);
  }
  assert(false, "check throws for -1");
}

/** Reads the kernel's messages about a file system context, one line at a time. */
function readLog(context: number): string {
  const lines: string[] = [];
  const line = Buffer.alloc(LOG_LINE_BYTES);
  try {
    while (lines.length < LOG_LINES_MAX) {
      const length = readSync(context, line);
      if (length === 0) break;
      lines.push(line.toString("utf8", 0, length).trim());
    }
  } catch (thrown) {
    if (!isErrno(thrown, "ENODATA")) throw thrown;
  }
  return lines.join("; ");
}
