import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** V8 marks about 2 MiB in a millisecond: with more alive the loop would be held for too long. */
const HEAP_BYTES_MAX = 64 * 1024 * 1024;

type Collect = (how: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void;

/**
 * Returns memory to the kernel after a burst of writes: unreferenced buffers, which V8 sees no
 * reason to collect while nothing is allocated, what malloc keeps between those that live, and the
 * code that only a start needed.
 */
export async function giveMemoryBack(): Promise<void> {
  // Native code that a start has no use for.
  const { returnFreedMemory, returnUnusedCode } = await import("@raft2kube/linux/memory.ts");
  const { heapUsed } = process.memoryUsage();
  if (heapUsed <= HEAP_BYTES_MAX) {
    collector()({ type: "major", execution: "sync", flavor: "last-resort" });
  }
  returnFreedMemory();
  returnUnusedCode();
}

let known: Collect | undefined;

/** V8's own collector, which a program can have without being started with --expose-gc. */
function collector(): Collect {
  if (known) return known;
  setFlagsFromString("--expose-gc");
  known = runInNewContext("gc") as Collect;
  return known;
}
