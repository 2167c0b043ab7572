import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { CommandError } from "../terminal.ts";

/** LevelDB has the reason in its text alone. */
const isFullDisk = (thrown: unknown) =>
  isErrno(thrown, "ENOSPC", "EDQUOT") ||
  (isErrno(thrown, "BACKEND_WRITE") && messageOf(thrown).includes("No space left"));

/** Runs `work`; a write without space for it is CommandError `DISK_FULL` naming the folder. */
export async function namingFullDisk<T>(dir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!isFullDisk(cause)) throw cause;
    throw new CommandError("DISK_FULL", `there is no space left on the disk of ${dir}`, {
      remedy: "free some, then run this again; what was there before is there as it was",
      cause,
    });
  }
}
