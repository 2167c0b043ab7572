import { open } from "node:fs/promises";
import { isErrno } from "@raft2kube/std/errors.ts";
import {
  TERMINATION_FILE_ANNOTATION,
  TERMINATION_POLICY_ANNOTATION,
} from "../containers/container-config.ts";
import {
  TERMINATION_LOG_BYTES_MAX,
  TERMINATION_LOG_LINES_MAX,
  TERMINATION_MESSAGE_BYTES_MAX,
} from "../limits.ts";
import type { ObservedContainer } from "../sync/observed.ts";

/**
 * What an ended container left as its last words: its termination file or, by policy and only after
 * a failure, the end of its log. Empty when there is none.
 */
export async function terminationMessage(observed: ObservedContainer): Promise<string> {
  const file = observed.annotations[TERMINATION_FILE_ANNOTATION];
  const text = file ? await head(file, TERMINATION_MESSAGE_BYTES_MAX) : "";
  const policy = observed.annotations[TERMINATION_POLICY_ANNOTATION];
  if (text !== "" || policy !== "FallbackToLogsOnError" || observed.exitCode === 0) return text;
  const lines = (await tail(observed.logPath, TERMINATION_LOG_BYTES_MAX * 2)).split("\n");
  const words = lines.flatMap((line) => /^\S+ (?:stdout|stderr) [FP] (.*)$/.exec(line)?.[1] ?? []);
  const last = words.slice(-TERMINATION_LOG_LINES_MAX).join("\n");
  return last.slice(-TERMINATION_LOG_BYTES_MAX);
}

async function head(path: string, bytes: number): Promise<string> {
  return read(path, () => 0, bytes);
}

async function tail(path: string, bytes: number): Promise<string> {
  return read(path, (size) => Math.max(0, size - bytes), bytes);
}

async function read(path: string, from: (size: number) => number, bytes: number): Promise<string> {
  try {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, from(size));
      return buffer.subarray(0, bytesRead).toString("utf8");
    } finally {
      await file.close();
    }
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT", "EISDIR")) return "";
    throw thrown;
  }
}
