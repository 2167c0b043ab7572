import { constants, type PerformanceEntry, PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** The most that may be alive: collecting 67 MiB blocked the loop for 0.7 s on a busy machine. */
const ALIVE_BYTES_MAX = 64 * 1024 * 1024;

type Collect = (how: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void;

/**
 * Makes V8 free what it can: unreferenced objects, the space for young ones, and the code of
 * functions that were not called for long. Blocks for some 100 ms; does nothing with more than 64
 * MiB alive, by default all of the heap, garbage included, which is the strict bound.
 */
export function collectGarbage(aliveBytes = process.memoryUsage().heapUsed): void {
  if (aliveBytes > ALIVE_BYTES_MAX) return;
  collector()({ type: "major", execution: "sync", flavor: "last-resort" });
}

/**
 * The same as collectGarbage, and drops the code of all functions that are not on the stack: after
 * a start most of it is not needed again. V8 recompiles a function that is called again, so this
 * does not pay where it is repeated.
 */
export function collectCode(aliveBytes?: number): void {
  setFlagsFromString("--stress-flush-code");
  try {
    collectGarbage(aliveBytes);
  } finally {
    setFlagsFromString("--no-stress-flush-code");
  }
}

/**
 * Follows how much V8's own full collections, which it does in small steps, leave alive: an
 * estimate for a process that may be held for longer, as more may live since.
 */
export class AliveBytes implements Disposable {
  #left: number | undefined;
  readonly #observer = new PerformanceObserver((list) => {
    if (list.getEntries().some(isFull)) this.#left = oldBytes();
  });

  constructor() {
    this.#observer.observe({ entryTypes: ["gc"] });
  }

  /** Returns the bytes that the last one left; all of the heap before the first. */
  now(): number {
    return this.#left ?? process.memoryUsage().heapUsed;
  }

  [Symbol.dispose](): void {
    this.#observer.disconnect();
  }
}

/** Whether an entry of a collection is of all objects, not of young ones. */
function isFull(entry: PerformanceEntry): boolean {
  const { detail } = entry as PerformanceEntry & { detail: { kind: number } };
  return detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
}

/** Bytes of objects outside the room for young ones, in which a full collection leaves none. */
function oldBytes(): number {
  return getHeapSpaceStatistics()
    .filter(({ space_name: name }) => !name.startsWith("new_"))
    .reduce((sum, { space_used_size: used }) => sum + used, 0);
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
