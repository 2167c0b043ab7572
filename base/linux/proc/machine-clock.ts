import { availableParallelism, loadavg } from "node:os";
import { type Clock, systemClock, type Timer } from "@raft2kube/std/clock.ts";

/** However many tasks wait, a limit ends: this many times later than on an idle machine. */
export const SHARE_MAX = 10;
/** How often the load is read while a timer runs. */
const LOOK_MS = 500;

/** Tasks for each processor that run, would run, or wait for a disk, of the last minute. */
const tasksPerProcessor = (): number => loadavg()[0]! / availableParallelism();

/** How many times longer work takes under such a load, within the bound. */
export function slowdown(share = tasksPerProcessor()): number {
  return Math.min(Math.max(share, 1), SHARE_MAX);
}

/**
 * A clock for limits of how long work may take: it slows down while there are more tasks than
 * processors, by the kernel's load average. Work on a busy machine then takes longer, and does not
 * fail. `now` is the wall clock's.
 */
export function machineClock(
  clock: Clock = systemClock(),
  readShare: () => number = tasksPerProcessor,
): Clock {
  let last_ms = clock.monotonic();
  let counted_ms = 0;
  const monotonic = () => {
    const now_ms = clock.monotonic();
    counted_ms += (now_ms - last_ms) / slowdown(readShare());
    last_ms = now_ms;
    return counted_ms;
  };
  return {
    now: () => clock.now(),
    monotonic,
    after(delay_ms, fn) {
      const end_ms = monotonic() + delay_ms;
      let timer: Timer;
      const wait = (left_ms: number) => {
        timer = clock.after(Math.min(Math.max(left_ms, 1), LOOK_MS), look);
      };
      const look = () => {
        const left_ms = end_ms - monotonic();
        if (left_ms <= 0) fn();
        else wait(left_ms);
      };
      wait(delay_ms);
      return { cancel: () => timer.cancel() };
    },
  };
}
