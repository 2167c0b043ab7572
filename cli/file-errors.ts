import { errno, isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { CommandError } from "./terminal.ts";

/** LevelDB has the reason in its text alone. */
const isFullDisk = (thrown: unknown) =>
  isErrno(thrown, "ENOSPC", "EDQUOT") ||
  (isErrno(thrown, "BACKEND_WRITE") && messageOf(thrown).includes("No space left"));

/** Refusals of a file system: the text of each follows the path. */
const REFUSALS = [
  {
    code: "DISK_FULL",
    is: isFullDisk,
    text: "cannot be written: no space is left on its disk",
    remedy: "free some, then run this again; what was there before is there as it was",
  },
  {
    code: "FILE_EXISTS",
    is: errno("EEXIST"),
    text: "exists",
    remedy: "name another file, or remove that one; an interrupted command leaves a .partial",
  },
  {
    code: "NO_FILE",
    is: errno("ENOENT", "EACCES", "EPERM", "EISDIR", "ENOTDIR", "EROFS"),
    text: "cannot be used",
    remedy: "name a file that is there, or a new one in a folder that is",
  },
] as const;

/**
 * Runs `work` on a file that a user named. Throws CommandError `DISK_FULL`, `FILE_EXISTS` or
 * `NO_FILE` for what a file system refuses, which names the refused file, as far as it is known.
 */
export async function withFileErrors<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const refusal = REFUSALS.find(({ is }) => is(cause));
    if (refusal === undefined) throw cause;
    const { code, text, remedy } = refusal;
    const { path: source = path, dest = source } = cause as { path?: string; dest?: string };
    throw new CommandError(code, `${dest} ${text}`, { remedy, cause });
  }
}
