/**
 * Acts on each item in turn, also after it failed for one, and then throws the first error: an
 * object of one tenant that cannot be written does not keep the controller from those of others.
 */
export async function forEach<T>(
  items: Iterable<T>,
  act: (item: T) => Promise<unknown>,
): Promise<void> {
  let failure: { thrown: unknown } | undefined;
  for (const item of items) {
    try {
      await act(item);
    } catch (thrown) {
      failure ??= { thrown };
    }
  }
  if (failure) throw failure.thrown;
}
