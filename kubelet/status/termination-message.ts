import { dirname } from "node:path";
import { openFile } from "@raft2kube/linux/beneath/open-file.ts";
import { errno, tolerate } from "@raft2kube/std/errors.ts";
import {
  TERMINATION_FILE_ANNOTATION,
  TERMINATION_POLICY_ANNOTATION,
} from "../containers/container-config.ts";
import type { ObservedContainer } from "../cri/observed.ts";
import {
  TERMINATION_LOG_BYTES_MAX,
  TERMINATION_LOG_LINES_MAX,
  TERMINATION_LOG_READ_BYTES,
  TERMINATION_MESSAGE_BYTES_MAX,
} from "../limits.ts";
import { type CriLogLine, parseCriLogLine } from "../logs/cri-log-line.ts";
import { openLogDirectory } from "../logs/log-directory.ts";

/**
 * Returns the termination message of an ended container: the end of its termination file or, by
 * policy and only after a failure, of its log. Empty when there is none. Neither is read through a
 * link.
 */
export async function terminationMessage(
  observed: ObservedContainer,
  podLogsDir: string,
): Promise<string> {
  const file = observed.annotations[TERMINATION_FILE_ANNOTATION];
  const text = file
    ? (await tail(dirname(file), file, TERMINATION_MESSAGE_BYTES_MAX)).toString()
    : "";
  const policy = observed.annotations[TERMINATION_POLICY_ANNOTATION];
  if (text !== "" || policy !== "FallbackToLogsOnError" || observed.exitCode === 0) return text;
  return lastWords(await tail(podLogsDir, observed.logPath, TERMINATION_LOG_READ_BYTES));
}

/** Returns the last text of a log, by its lines and bytes as upstream. */
function lastWords(log: Buffer): string {
  const entries: CriLogLine[] = [];
  for (let from = 0, to = 0; (to = log.indexOf("\n", from)) >= 0; from = to + 1) {
    const entry = parseCriLogLine(log.subarray(from, to));
    if (entry) entries.push(entry);
  }
  const last = entries.slice(-TERMINATION_LOG_LINES_MAX);
  const texts = last.flatMap(({ text, full }) => (full ? [text, EOL] : text));
  return Buffer.concat(texts).subarray(-TERMINATION_LOG_BYTES_MAX).toString();
}

const EOL = Buffer.from("\n");

/**
 * Reads the last bytes of a file in or beneath a directory; none when it is not there, nor where a
 * program of the pod has a lease on it.
 */
async function tail(directory: string, path: string, bytes: number): Promise<Buffer> {
  using opened = openLogDirectory(directory, path);
  if (!opened) return Buffer.alloc(0);
  const file = await tolerate(openFile(opened.directory, opened.name), errno("EAGAIN"));
  if (!file) return Buffer.alloc(0);
  try {
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(bytes),
      0,
      bytes,
      Math.max(0, size - bytes),
    );
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
