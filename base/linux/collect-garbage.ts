import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** V8 marks about 2 MiB in a millisecond: with more alive the loop would be held for too long. */
const HEAP_BYTES_MAX = 64 * 1024 * 1024;

type Collect = (how: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void;

/**
 * Has V8 give up all that it can: objects without references, the room for young ones, and the byte
 * code of functions that are not in use. Blocks for some 100 ms; does nothing with more in the heap
 * than `heapBytesMax`, by default 64 MiB.
 */
export function collectGarbage(heapBytesMax = HEAP_BYTES_MAX): void {
  if (process.memoryUsage().heapUsed > heapBytesMax) return;
  collector()({ type: "major", execution: "sync", flavor: "last-resort" });
}

let known: Collect | undefined;

/** V8's own collector, which a program can have without being started with --expose-gc. */
function collector(): Collect {
  if (known) return known;
  setFlagsFromString("--expose-gc");
  known = runInNewContext("gc") as Collect;
  return known;
}
