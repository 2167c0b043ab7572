import { CodedError, messageOf } from "@raft2kube/std/errors.ts";

/**
 * Acts on each item in turn, also after it failed for one: an object of one tenant that cannot be
 * written does not keep the controller from those of others. Throws what was thrown at the end, or
 * SeveralFailed with the first one's message and their number.
 */
export async function forEach<T>(
  items: Iterable<T>,
  act: (item: T) => Promise<unknown>,
): Promise<void> {
  let first: unknown;
  let count = 0;
  for (const item of items) {
    try {
      await act(item);
    } catch (thrown) {
      if (count === 0) first = thrown;
      count += 1;
    }
  }
  if (count === 1) throw first;
  if (count > 1) {
    throw new CodedError("SeveralFailed", `${count} failed, the first one: ${messageOf(first)}`);
  }
}
