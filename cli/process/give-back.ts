import { returnFreedMemory, returnUnusedCode } from "@raft2kube/linux/process/memory.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Closable } from "./started-parts.ts";

/** Between two times that memory is given back; each takes about a millisecond. */
export const GIVE_BACK_MS = 60_000;

/**
 * After this, once: V8 would keep the byte code that only the start ran, and its room for young
 * objects, until it collects, which an idle process gives it no reason to.
 */
export const COLLECT_AFTER_MS = 30_000;

/**
 * Gives the kernel back, now and each minute, what malloc keeps between blocks that live, and the
 * code of Node that is not in use: a process that goes on for weeks would keep the most of both
 * that it ever needed. `collect` is called once after the start (`collectCode`).
 */
export function startGivingBack(clock: Clock, collect?: () => void): Closable {
  let timer = clock.after(0, function again() {
    returnFreedMemory();
    returnUnusedCode();
    timer = clock.after(GIVE_BACK_MS, again);
  });
  const collection = collect && clock.after(COLLECT_AFTER_MS, () => {
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
