import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { spawnProgram } from "@raft2kube/linux/process/spawn.ts";
import { errno, isErrno, messageOf, tolerateSync } from "@raft2kube/std/errors.ts";
import { PROGRAM_OUTPUT_BYTES_MAX } from "../limits.ts";
import { VolumeError } from "./volume-error.ts";

/** The directories of the system's programs, regardless of the kubelet's PATH. */
const DIRECTORIES = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/** Returns the path of a system's program. Throws NotSupported when the node has none. */
export async function programPath(name: string, remedy: string): Promise<string> {
  for (const directory of DIRECTORIES) {
    const file = join(directory, name);
    try {
      await access(file, constants.X_OK);
      return file;
    } catch (thrown) {
      if (!isErrno(thrown, "ENOENT", "ENOTDIR", "EACCES")) throw thrown;
    }
  }
  throw new VolumeError("NotSupported", `this node has no ${name}`, { remedy });
}

/**
 * Runs a program that may wait for a server. After `timeout_ms` it and all programs that it started
 * get SIGKILL, and MountFailed is thrown without waiting for their end: the kernel may not let them
 * end before the server answers. If it fails, MountFailed has its output.
 */
export function runBounded(
  file: string,
  args: readonly string[],
  timeout_ms: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const fail = (why: string, cause?: unknown) => {
      clearTimeout(timer);
      reject(new VolumeError("MountFailed", `${file}: ${why}`, { cause }));
    };
    // A group of its own, so that programs that it runs end with it.
    const child = spawnProgram(file, args, { stdio: ["ignore", "ignore", "pipe"], detached: true });
    const stderr = child.stderr!;
    child.on("error", (thrown) => fail(messageOf(thrown), thrown));
    let printed = "";
    stderr.setEncoding("utf8").on("data", (text: string) => {
      if (printed.length < PROGRAM_OUTPUT_BYTES_MAX) printed += text;
    });
    timer = setTimeout(() => {
      if (child.pid !== undefined) killGroup(child.pid);
      stderr.destroy();
      child.unref();
      fail(`no answer within ${timeout_ms} ms`);
    }, timeout_ms);
    // A daemon that it left may keep the pipe open: only the text of a failure is waited for.
    child.on("exit", (status) => {
      if (status !== 0) return;
      clearTimeout(timer);
      stderr.destroy();
      resolve();
    });
    child.on("close", (status, signal) => {
      if (status !== 0) fail(printed.trim() || `ended by ${signal ?? `status ${status}`}`);
    });
  });
}

function killGroup(pid: number): void {
  tolerateSync(() => process.kill(-pid, "SIGKILL"), errno("ESRCH"));
}
