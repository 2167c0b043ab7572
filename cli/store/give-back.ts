import { collectGarbage } from "@raft2kube/linux/process/collect-garbage.ts";

/** Time after which, once, what a start needed is given back: few writes a second are no burst. */
export const STARTED_MS = 30_000;

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
