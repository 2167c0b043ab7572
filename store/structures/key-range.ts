/** The keys that a request names: one, an interval, or everything from a key on. */
export interface KeyRange {
  from: string;
  /**
   * First key not in the range; undefined for no end. Equal to `from` in a range of one key: see
   * `single`.
   */
  to: string | undefined;
  single: boolean;
}

/**
 * A range as etcd's requests spell it: no end is one key, the end "\0" is everything from the key
 * on.
 */
export function keyRange(key: Buffer, rangeEnd: Buffer): KeyRange {
  const from = key.toString("latin1");
  if (rangeEnd.length === 0) return { from, to: from, single: true };
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return { from, to: undefined, single: false };
  return { from, to: rangeEnd.toString("latin1"), single: false };
}

export function inRange(range: KeyRange, key: string): boolean {
  if (range.single) return key === range.from;
  return key >= range.from && (range.to === undefined || key < range.to);
}

/** Whether no key can be in it. */
export function isEmptyRange(range: KeyRange): boolean {
  return !range.single && range.to !== undefined && range.to <= range.from;
}
