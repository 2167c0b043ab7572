import { LIST_PIECE_ITEMS } from "../limits.ts";

/** A list as the messages of a stream have it; an empty one is one message, as upstream. */
export function inPieces<T>(items: readonly T[]): T[][] {
  const count = Math.max(1, Math.ceil(items.length / LIST_PIECE_ITEMS));
  return Array.from({ length: count }, (_, at) =>
    items.slice(at * LIST_PIECE_ITEMS, (at + 1) * LIST_PIECE_ITEMS),
  );
}
