/** Lists of the indexes of an Indexed Job, such as `0,2-3`, in its status and its policies. */

export type Interval = readonly [first: number, last: number];

/** Reads one part of a list: `2-3`, or `0` as `0-0`; NaN for what is no number. */
function intervalOf(part: string): Interval {
  const dash = part.indexOf("-");
  if (dash < 0) return [numberOf(part), numberOf(part)];
  return [numberOf(part.slice(0, dash)), numberOf(part.slice(dash + 1))];
}

const numberOf = (text: string): number => (/^\d+$/.test(text) ? Number(text) : NaN);

/**
 * Counts the indexes of a list; returns what is wrong if it is unreadable, not in order, or has an
 * index that does not exist.
 */
export function countIndexes(text: string, completions: number): number | string {
  if (text === "") return 0;
  let count = 0;
  let last = -1;
  for (const part of text.split(",")) {
    const [from, to] = intervalOf(part);
    if (Number.isNaN(from + to)) {
      return `cannot convert string to integer for index: ${JSON.stringify(part)}`;
    }
    if (from <= last || to < from) return "non-increasing order";
    if (to >= completions) return `too large index: ${JSON.stringify(String(to))}`;
    count += to - from + 1;
    last = to;
  }
  return count;
}

/** Returns the intervals of a list, without unreadable ones. */
export function indexesIn(text: string): Interval[] {
  return text
    .split(",")
    .map(intervalOf)
    .filter(([first, last]) => !Number.isNaN(first + last));
}

/** Yields the intervals that are in both of two lists in order, each of which is read once. */
export function* inBoth(
  some: readonly Interval[],
  others: readonly Interval[],
): Generator<Interval> {
  for (let at = 0, other = 0; at < some.length && other < others.length; ) {
    const [[first, last], [from, to]] = [some[at]!, others[other]!];
    if (first <= to && from <= last) yield [Math.max(first, from), Math.min(last, to)];
    if (last < to) at++;
    else other++;
  }
}
