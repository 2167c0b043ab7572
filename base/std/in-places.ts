/**
 * Orders items so that those of `before` keep their places: the last ones fill those that are left.
 * One that comes or goes moves one other at most. No two have the same key.
 */
export function inPlaces<T>(
  items: readonly T[],
  before: readonly T[],
  keyOf: (item: T) => string,
): T[] {
  const left = new Map(items.map((item) => [keyOf(item), item]));
  const kept = before.map((item) => {
    const found = left.get(keyOf(item));
    left.delete(keyOf(item));
    return found;
  });
  const spare = [...kept.splice(items.length), ...left.values()]
    .filter((item) => item !== undefined)
    .values();
  return items.map((_, at) => kept[at] ?? spare.next().value!);
}
