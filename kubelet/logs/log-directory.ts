import { basename, dirname, relative } from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { isErrno } from "@raft2kube/std/errors.ts";

/** The directory of one container's log, and the name of the file that is being written. */
export interface LogDirectory extends Disposable {
  directory: Directory;
  name: string;
}

/**
 * Opens the directory of a log beneath that of all logs, through no link: pods that are given the
 * node's log directory could put links there. Undefined when it is not there.
 */
export function openLogDirectory(podLogsDir: string, path: string): LogDirectory | undefined {
  try {
    using root = Directory.open(podLogsDir);
    const directory = root.directory(dirname(relative(podLogsDir, path)));
    const name = basename(path);
    return { directory, name, [Symbol.dispose]: () => directory[Symbol.dispose]() };
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return undefined;
    throw thrown;
  }
}

/**
 * The files of the log, oldest first: those that rotation set aside (`0.log.<time>`) and the one
 * being written (`0.log`), whether it is there or not.
 */
export function logFiles({ directory, name }: LogDirectory): string[] {
  const aside = [...directory.names()].map(String).filter((one) => one.startsWith(`${name}.`));
  return [...aside.sort(), name];
}
