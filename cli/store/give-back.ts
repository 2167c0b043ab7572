import { collectGarbage } from "@raft2kube/linux/process/collect-garbage.ts";
import type { Clock } from "@raft2kube/std/clock.ts";

/** Time after which, once, what a start needed is given back: few writes a second are no burst. */
export const STARTED_MS = 30_000;

/** Pause between two looks at the loop, and its active share of a pause that counts as idle. */
export const IDLE_MS = 1_000;
const ACTIVE_MAX = 0.2;
/** Looks after which memory is given back from a loop that is never idle. */
export const BUSY_LOOKS_MAX = 60;

/**
 * Returns a function that gives memory back once the loop is idle: a burst of writes may have ended
 * while reads go on, whose clients would wait for the collection. Calls meanwhile count as one.
 * `activeShare` returns the loop's active share of the time since its last call.
 */
export function givingBackWhenIdle(
  clock: Clock,
  giveBack: () => unknown,
  activeShare = loopActivity(),
): () => void {
  let waits = false;
  const wait = (looks = 1) => {
    activeShare();
    clock.after(IDLE_MS, () => {
      if (looks < BUSY_LOOKS_MAX && activeShare() > ACTIVE_MAX) return wait(looks + 1);
      waits = false;
      giveBack();
    });
  };
  return () => {
    if (waits) return;
    waits = true;
    wait();
  };
}

function loopActivity(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}

/**
 * Returns memory to the kernel after a burst of writes: unreferenced buffers, which V8 sees no
 * reason to collect while nothing is allocated, what malloc keeps between those that live, and the
 * code that only a start needed.
 */
export async function giveMemoryBack(): Promise<void> {
  // Native code that a start has no use for.
  const memory = await import("@raft2kube/linux/process/memory.ts");
  collectGarbage();
  memory.returnFreedMemory();
  memory.returnUnusedCode();
}
