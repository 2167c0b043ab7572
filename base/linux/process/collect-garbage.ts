import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** The largest heap, garbage included: collecting 67 MiB blocked the loop for 0.7 s when busy. */
const HEAP_BYTES_MAX = 64 * 1024 * 1024;

type Collect = (how: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void;

/**
 * Makes V8 free what it can: unreferenced objects, the space for young ones, and the code of
 * functions that were not called for long. Blocks for some 100 ms, and with 300 MiB alive for 1.6
 * s; does nothing with a heap above `most_bytes`.
 */
export function collectGarbage(most_bytes = HEAP_BYTES_MAX): void {
  if (process.memoryUsage().heapUsed > most_bytes) return;
  collector()({ type: "major", execution: "sync", flavor: "last-resort" });
}

/**
 * The same as collectGarbage, and drops the code of all functions that are not on the stack: after
 * a start most of it is not needed again. V8 recompiles a function that is called again, so this
 * does not pay where it is repeated.
 */
export function collectCode(): void {
  setFlagsFromString("--stress-flush-code");
  try {
    collectGarbage();
  } finally {
    setFlagsFromString("--no-stress-flush-code");
  }
}

let known: Collect | undefined;

/** V8's own collector, which a program can have without being started with --expose-gc. */
function collector(): Collect {
  if (known) return known;
  setFlagsFromString("--expose-gc");
  // Without it a function keeps its machine code and byte code without end.
  setFlagsFromString("--flush-baseline-code");
  known = runInNewContext("gc") as Collect;
  return known;
}
