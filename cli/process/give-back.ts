import { returnFreedMemory, returnUnusedCode } from "@raft2kube/linux/process/memory.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Closable } from "./started-parts.ts";

/** Pause between two releases of memory; each takes about a millisecond. */
export const GIVE_BACK_MS = 60_000;

/**
 * Time after which, once, V8 is made to collect: else it would keep the byte code that only the
 * start ran, and its space for young objects, as an idle process does not collect by itself.
 */
export const COLLECT_AFTER_MS = 30_000;

/**
 * Gives the kernel back, now and each minute, what malloc keeps between blocks that live, and the
 * code of Node that is not in use: a process that runs for weeks would keep the most of both that
 * it ever needed. `collect` is called once after the start (`collectCode`).
 */
export function startGivingBack(clock: Clock, collect?: () => void): Closable {
  let timer = clock.after(0, function again() {
    returnFreedMemory();
    returnUnusedCode();
    timer = clock.after(GIVE_BACK_MS, again);
  });
  const collection =
    collect &&
    clock.after(COLLECT_AFTER_MS, () => {
      collect();
      returnFreedMemory();
    });
  return {
    async close() {
      timer.cancel();
      collection?.cancel();
    },
  };
}
