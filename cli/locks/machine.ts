import { type FileLock, lockHolder, tryLockFolder } from "@raft2kube/linux/file/flock.ts";
import { CommandError } from "../terminal.ts";

/** The folder above all that `init` and `join` write first; its lock leaves no file behind. */
const LOCKED = "/etc";

/**
 * Takes this machine's lock: `init`, `join`, `upgrade` and `reset` exclude each other until it is
 * disposed of, or the process ends. Throws CommandError `BUSY` naming the process that has it.
 */
export function lockMachine(): FileLock {
  const lock = tryLockFolder(LOCKED);
  if (lock) return lock;
  const pid = lockHolder(LOCKED);
  const text = "another init, join, upgrade or reset is at work on this machine";
  throw new CommandError("BUSY", pid === undefined ? text : `${text}: process ${pid}`, {
    remedy: `wait until it has ended, or end it${pid ? ` (kill -INT ${pid})` : ""}; then repeat this`,
  });
}
