import { collectGarbage } from "@raft2kube/linux/collect-garbage.ts";
import { returnFreedMemory, returnUnusedCode } from "@raft2kube/linux/memory.ts";
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
 * that it ever needed. With `collects` V8 gives up what it can, too, once after the start, if its
 * heap has at most `heapBytesMax` then, garbage included (`collectGarbage`).
 */
export function startGivingBack(
  clock: Clock,
  { collects = false, heapBytesMax }: { collects?: boolean; heapBytesMax?: number } = {},
): Closable {
  let timer = clock.after(0, function again() {
    returnFreedMemory();
    returnUnusedCode();
    timer = clock.after(GIVE_BACK_MS, again);
  });
  const collection = !collects ? undefined : clock.after(COLLECT_AFTER_MS, () => {
    collectGarbage(heapBytesMax);
    returnFreedMemory();
  });
  return {
    async close() {
      timer.cancel();
      collection?.cancel();
    },
  };
}
