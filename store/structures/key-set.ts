import { isEmptyRange, type KeyRange } from "./key-range.ts";

/** Keys from `from` on, below `to`; no `to` is no end. */
type Interval = { from: string; to: string | undefined };

/** The keys of ranges, which are added one after the other and found by binary search. */
export class KeySet {
  /** Invariant: in order, and none touches the next. */
  readonly #intervals: Interval[] = [];

  add(range: KeyRange): void {
    if (isEmptyRange(range)) return;
    let { from, to } = range;
    if (range.single) to = `${from}\0`;
    const intervals = this.#intervals;
    const before = this.#countBefore(from);
    // The last that starts before may reach up to this one.
    const touches = before > 0 && reaches(intervals[before - 1]!, from);
    const first = touches ? before - 1 : before;
    if (touches) from = intervals[first]!.from;
    let end = first;
    for (; end < intervals.length && (to === undefined || intervals[end]!.from <= to); end++) {
      const other = intervals[end]!.to;
      if (to !== undefined && (other === undefined || other > to)) to = other;
    }
    intervals.splice(first, end - first, { from, to });
  }

  addAll(other: KeySet): void {
    for (const { from, to } of other.#intervals) this.add({ from, to, single: false });
  }

  has(key: string): boolean {
    const intervals = this.#intervals;
    const at = this.#countBefore(key);
    if (intervals[at]?.from === key) return true;
    const { to } = intervals[at - 1] ?? { to: "" };
    return to === undefined || key < to;
  }

  /** How many intervals start below a key. */
  #countBefore(key: string): number {
    let [low, high] = [0, this.#intervals.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#intervals[middle]!.from < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const reaches = ({ to }: Interval, key: string): boolean => to === undefined || to >= key;
