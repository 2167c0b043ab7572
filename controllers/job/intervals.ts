import { type Interval, inBoth, indexesIn } from "@raft2kube/api/batch/v1/job-indexes.ts";

/** Indexes of an Indexed job as ordered intervals that do not touch: `0-2,5` in the status. */
export type Intervals = readonly Interval[];

/** Reads intervals, and leaves out what is unreadable or not below `completions`. */
export function parseIntervals(text: string | undefined, completions: number): Intervals {
  const below = indexesIn(text ?? "").filter(([first]) => first < completions);
  return merged(below.map(([first, last]) => [first, Math.min(last, completions - 1)]));
}

/** The intervals of single indexes, in any order. */
export function intervalsOf(indexes: Iterable<number>): Intervals {
  return merged([...indexes].map((index) => [index, index]));
}

/** All that is in one or the other. */
export const union = (a: Intervals, b: Intervals): Intervals => merged([...a, ...b]);

function merged(parts: readonly Interval[]): Intervals {
  const result: [number, number][] = [];
  for (const [first, last] of [...parts].sort((a, b) => a[0] - b[0])) {
    const previous = result.at(-1);
    if (previous && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last);
    else result.push([first, last]);
  }
  return result;
}

/** How many indexes there are. */
export function total(intervals: Intervals): number {
  return intervals.reduce((sum, [first, last]) => sum + last - first + 1, 0);
}

/** How many indexes are in both. */
export const overlap = (a: Intervals, b: Intervals): number => total([...inBoth(a, b)]);

/** Whether an index is among them. */
export function contains(intervals: Intervals, index: number): boolean {
  let [low, high] = [0, intervals.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (intervals[middle]![1] < index) low = middle + 1;
    else high = middle;
  }
  return (intervals[low]?.[0] ?? Infinity) <= index;
}

/** The text of a status: two neighbours stand by themselves, three or more as a range. */
export function intervalsText(intervals: Intervals): string {
  return intervals
    .map(([first, last]) => {
      if (first === last) return String(first);
      return `${first}${last === first + 1 ? "," : "-"}${last}`;
    })
    .join(",");
}

/** The first `count` indexes below `completions` that are not taken. */
export function firstFree(taken: Intervals, count: number, completions: number): number[] {
  const free: number[] = [];
  let candidate = 0;
  for (const [first, last] of [...taken, [completions, completions] as const]) {
    while (candidate < Math.min(first, completions) && free.length < count) free.push(candidate++);
    candidate = Math.max(candidate, last + 1);
  }
  return free;
}
