import { readFileSync, readdirSync } from "node:fs";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { isErrno } from "@raft2kube/std/errors.ts";

const TICK_MS = 25;
/** Part of a turn that counts while a process wants to run: a loop that does not end is judged. */
const BUSY_PART = 1 / 8;

/**
 * A clock that goes on while this pid namespace waits: in turns of the event loop, in which no
 * other process or thread of it is running, runnable or in an uninterruptible sleep. On a busy
 * machine programs wait for the processor, and this clock for them.
 */
export const idleClock = new ManualClock();

setInterval(() => {
  idleClock.advance(isAtWork() ? TICK_MS * BUSY_PART : TICK_MS);
}, TICK_MS).unref();

function isAtWork(): boolean {
  const isOther = (name: string) => /^\d+$/.test(name) && name !== String(process.pid);
  const tasks = (folder: string) => {
    return readdirSync(folder).filter(isOther).map((name) => `${folder}/${name}/stat`);
  };
  const files = [...tasks("/proc"), ...tasks("/proc/self/task")];
  return files.some((file) => /[RD]/.test(stateOf(file)));
}

/** The state of a process or thread (proc_pid_stat(5)): the word behind its name. */
function stateOf(file: string): string {
  try {
    const text = readFileSync(file, "latin1");
    return text.charAt(text.lastIndexOf(")") + 2);
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT", "ESRCH")) return "";
    throw thrown;
  }
}
