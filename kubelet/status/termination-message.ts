import type { FileHandle } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { openFile } from "@raft2kube/linux/beneath/open-file.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import {
  TERMINATION_FILE_ANNOTATION,
  TERMINATION_POLICY_ANNOTATION,
} from "../containers/container-config.ts";
import type { ObservedContainer } from "../cri/observed.ts";
import {
  TERMINATION_LOG_BYTES_MAX,
  TERMINATION_LOG_LINES_MAX,
  TERMINATION_MESSAGE_BYTES_MAX,
} from "../limits.ts";
import { openLogDirectory } from "../logs/log-directory.ts";

/**
 * Returns the termination message of an ended container: its termination file or, by policy and
 * only after a failure, the end of its log. Empty when there is none. Neither is read through a
 * link.
 */
export async function terminationMessage(
  observed: ObservedContainer,
  podLogsDir: string,
): Promise<string> {
  const file = observed.annotations[TERMINATION_FILE_ANNOTATION];
  const text = file ? await head(file, TERMINATION_MESSAGE_BYTES_MAX) : "";
  const policy = observed.annotations[TERMINATION_POLICY_ANNOTATION];
  if (text !== "" || policy !== "FallbackToLogsOnError" || observed.exitCode === 0) return text;
  const log = await tail(podLogsDir, observed.logPath, TERMINATION_LOG_BYTES_MAX * 2);
  const lines = log.split("\n");
  const entry = /^\S+ (?:stdout|stderr) [FP] (.*)$/;
  const contents = lines.flatMap((line) => entry.exec(line)?.[1] ?? []);
  const last = contents.slice(-TERMINATION_LOG_LINES_MAX).join("\n");
  return last.slice(-TERMINATION_LOG_BYTES_MAX);
}

async function head(path: string, bytes: number): Promise<string> {
  try {
    using directory = Directory.open(dirname(path));
    return await read(await openFile(directory, basename(path)), () => 0, bytes);
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return "";
    throw thrown;
  }
}

async function tail(podLogsDir: string, path: string, bytes: number): Promise<string> {
  using log = openLogDirectory(podLogsDir, path);
  const file = log && (await openFile(log.directory, log.name));
  return await read(file, (size) => Math.max(0, size - bytes), bytes);
}

async function read(
  file: FileHandle | undefined,
  from: (size: number) => number,
  bytes: number,
): Promise<string> {
  if (!file) return "";
  try {
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, from(size));
    return buffer.subarray(0, bytesRead).toString("utf8");
  } finally {
    await file.close();
  }
}
