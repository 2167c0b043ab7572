import { PerformanceObserver } from "node:perf_hooks";

/** The turns of a thread's event loop during a measurement, by its CPU time. */
export interface Turns {
  /** The most time of one turn. */
  readonly longest_ms: number;
  /** Turns above the limit. */
  readonly long: number;
  /** The same two, without the time of collections within a turn. */
  readonly longestOwn_ms: number;
  readonly longOwn: number;
}

type Turn = { readonly start_ms: number; readonly end_ms: number; readonly cpu_ms: number };

const US_PER_MS = 1_000;

/** CPU time of this thread: waiting for a processor does not count. */
function threadCpu_ms(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / US_PER_MS;
}

/** Measures the turns of this thread's event loop until the returned function is called. */
export function measureTurns(limit_ms: number): () => Promise<Turns> {
  const long: Turn[] = [];
  const collections: { start_ms: number; end_ms: number }[] = [];
  let longest_ms = 0;
  let measuring = true;
  let cpu_ms = threadCpu_ms();
  let start_ms = performance.now();
  const observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) {
      collections.push({ start_ms: startTime, end_ms: startTime + duration });
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  // An immediate without a reference runs once in each turn, and lets the loop sleep.
  const turn = () => {
    const now_ms = threadCpu_ms();
    const end_ms = performance.now();
    const took_ms = now_ms - cpu_ms;
    longest_ms = Math.max(longest_ms, took_ms);
    if (took_ms > limit_ms) long.push({ start_ms, end_ms, cpu_ms: took_ms });
    cpu_ms = now_ms;
    start_ms = end_ms;
    if (measuring) setImmediate(turn).unref();
  };
  setImmediate(turn).unref();
  return async () => {
    measuring = false;
    // Collections are reported in a later turn.
    await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
    observer.disconnect();
    const own = long.map((each) => ownTime_ms(each, collections));
    return {
      longest_ms,
      long: long.length,
      longestOwn_ms: own.length > 0 ? Math.max(...own) : longest_ms,
      longOwn: own.filter((own_ms) => own_ms > limit_ms).length,
    };
  };
}

/** A turn's CPU time without its collections, whose time is the clock's: at least its own time. */
function ownTime_ms(
  turn: Turn,
  collections: readonly { readonly start_ms: number; readonly end_ms: number }[],
): number {
  let collected_ms = 0;
  for (const { start_ms, end_ms } of collections) {
    const within_ms = Math.min(end_ms, turn.end_ms) - Math.max(start_ms, turn.start_ms);
    collected_ms += Math.max(0, within_ms);
  }
  return Math.max(0, turn.cpu_ms - collected_ms);
}
