import { collectGarbage } from "@raft2kube/linux/process/collect-garbage.ts";
import { returnFreedMemory, returnUnusedCode } from "@raft2kube/linux/process/memory.ts";
import { timed } from "@raft2kube/observe/timed.ts";
import type { Clock } from "@raft2kube/std/clock.ts";

/** Pause between two releases of memory; each takes about a millisecond. */
export const GIVE_BACK_MS = 60_000;

/**
 * Time after which, once, V8 is made to collect: else it would keep the byte code that only the
 * start ran, and its space for young objects, as an idle process does not collect by itself.
 */
export const COLLECT_AFTER_MS = 30_000;

/** Time between two looks at the loop, and its active share up to which it is idle. */
export const LOOK_MS = 5_000;
const IDLE_MAX = 0.1;

/** The largest heap that is collected after a load, in 0.3 s: a member must not miss a heartbeat. */
const COLLECTED_BYTES_MAX = 128 * 1024 * 1024;

/**
 * Gives the kernel back, now and each minute, what malloc keeps between blocks that live, and the
 * code of Node that is not in use: a process that runs for weeks would keep the most of both that
 * it ever needed. After a load V8 is made to collect, once the loop is idle: clients would wait for
 * that, and by itself it does not, as an idle process allocates little. `collect` is called once
 * after the start (`collectCode`). `activeShare` returns the loop's active share of the time since
 * its last call.
 */
export function startGivingBack(
  clock: Clock,
  collect?: () => void,
  activeShare = loopActivity(),
): { close(): Promise<void> } {
  const release = () => {
    returnFreedMemory();
    returnUnusedCode();
  };
  let timer = clock.after(0, function again() {
    release();
    timer = clock.after(GIVE_BACK_MS, again);
  });
  const dueAt = afterLoads(collect && clock.monotonic() + COLLECT_AFTER_MS);
  let look = clock.after(LOOK_MS, function again() {
    const due = dueAt(activeShare(), clock.monotonic());
    if (due === "release") release();
    if (due === "collect") {
      timed("memory: collect after a load", () => collectGarbage(COLLECTED_BYTES_MAX));
      // The collection itself is no load.
      activeShare();
    }
    look = clock.after(LOOK_MS, again);
  });
  const collection =
    collect &&
    clock.after(COLLECT_AFTER_MS, () => {
      collect();
      returnFreedMemory();
      // Neither it nor the start is a load.
      activeShare();
    });
  return {
    async close() {
      timer.cancel();
      look.cancel();
      collection?.cancel();
    },
  };
}

/**
 * Returns what is due at a look with an active share: a collection once the loop is idle after a
 * load, and GIVE_BACK_MS after the last one; at the next look a release, as another thread of V8's
 * frees the buffers of what was collected meanwhile. The first collection is that at `first_ms`,
 * which is another's to make: a load before it has none of its own.
 */
export function afterLoads(
  first_ms?: number,
): (share: number, now_ms: number) => "collect" | "release" | undefined {
  let next_ms = first_ms === undefined ? 0 : first_ms + GIVE_BACK_MS;
  let state: "idle" | "loaded" | "collected" = "idle";
  return (share, now_ms) => {
    if (first_ms !== undefined && now_ms < first_ms) return undefined;
    const due = state === "collected" ? "release" : undefined;
    if (share > IDLE_MAX) state = "loaded";
    else if (state === "collected") state = "idle";
    else if (state === "loaded" && now_ms >= next_ms) {
      next_ms = now_ms + GIVE_BACK_MS;
      state = "collected";
      return "collect";
    }
    return due;
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
