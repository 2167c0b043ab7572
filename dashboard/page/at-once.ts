/**
 * Returns what `of` resolves with for each item, of which so many are under way at a time. One that
 * fails ends none of the others: the first failure is thrown after all.
 */
export async function mapAtOnce<T, R>(
  most: number,
  items: readonly T[],
  of: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const failures: unknown[] = [];
  const left = items.entries();
  const work = async () => {
    for (const [i, item] of left) {
      try {
        results[i] = await of(item);
      } catch (thrown) {
        failures.push(thrown);
      }
    }
  };
  await Promise.all(Array.from({ length: most }, work));
  if (failures.length > 0) throw failures[0];
  return results;
}
