/**
 * A field that a list came to replace holds the list's first item. Where the two differ the field
 * counts, as a client set it that knows no list; empty, it is taken from the list (the conversions
 * of `podIP` and `podCIDR` upstream). Answers both as they are to be.
 */
export function firstOfList<T>(
  first: string | undefined,
  list: readonly T[] | undefined,
  item: { read(item: T): string; make(text: string): T },
): { first: string | undefined; list: T[] | undefined } {
  const [head] = list ?? [];
  const listed = head === undefined ? undefined : item.read(head);
  if (first && first !== listed) return { first, list: [item.make(first)] };
  return { first: first || listed || first, list: list && [...list] };
}
