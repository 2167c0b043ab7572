import { readdirSync, readFileSync } from "node:fs";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { isErrno } from "@raft2kube/std/errors.ts";

const TICK_MS = 25;
/** Part of a turn that counts at least while there is work. */
const BUSY_PART = 1 / 16;
/** Part of this process's own processor time that counts: a loop that does not end is judged. */
const COMPUTED_PART = 1 / 2;
/** Processor time of this process in a turn from which on it is at work. */
const WORK_MS_MIN = TICK_MS / 4;

/**
 * A clock that advances while this process and its descendants wait: in turns of the event loop in
 * which none of their threads is running, runnable or in an uninterruptible sleep. On a busy
 * machine programs wait for the processor, and this clock for them. Half of the time in which this
 * process computes counts too, a turn of it at a time: one check that loops does not hold up the
 * waits of those beside it, and its own.
 */
export const idleClock = new ManualClock();

setInterval(() => {
  idleClock.advance(idleOfTurn_ms());
}, TICK_MS).unref();

let used = process.cpuUsage();

function idleOfTurn_ms(): number {
  const { user, system } = process.cpuUsage(used);
  used = process.cpuUsage();
  const computed_ms = Math.min(TICK_MS, (user + system) / 1_000);
  if (computed_ms < WORK_MS_MIN && !wantsToRun(process.pid)) return TICK_MS;
  return Math.max(TICK_MS * BUSY_PART, computed_ms * COMPUTED_PART);
}

/** Whether a thread of a process or of its descendants wants to run, but the one that asks. */
function wantsToRun(pid: number): boolean {
  const folder = `/proc/${pid}/task`;
  return namesIn(folder).some((thread) => {
    const isWaiting = thread === String(process.pid) || !/[RD]/.test(stateOf(folder, thread));
    const children = read(`${folder}/${thread}/children`).split(" ").filter(Boolean);
    return !isWaiting || children.some((child) => wantsToRun(Number(child)));
  });
}

/** The state of a thread (proc_pid_stat(5)): the word after its name. */
function stateOf(folder: string, thread: string): string {
  const text = read(`${folder}/${thread}/stat`);
  return text.charAt(text.lastIndexOf(")") + 2);
}

const namesIn = (folder: string) => unlessGone(() => readdirSync(folder), []);
const read = (file: string) => unlessGone(() => readFileSync(file, "latin1"), "");

function unlessGone<T>(look: () => T, gone: T): T {
  try {
    return look();
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT", "ESRCH")) return gone;
    throw thrown;
  }
}
