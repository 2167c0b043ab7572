/** Makes a list of steps that shows something as short as it will be. */

/** How many times a sequence is tried while it is made smaller. */
const TRIES_MAX = 80;

/**
 * A shorter list of which `shows` still holds: parts are left out, large ones first; then each
 * item is replaced by a simpler one of `simpler`. `shows` holds of `items` itself.
 */
export async function shrink<T>(
  items: readonly T[],
  simpler: (item: T) => readonly T[],
  shows: (items: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let left = TRIES_MAX;
  const holds = async (tried: readonly T[]) => left-- > 0 && (await shows(tried));
  let found = items;
  for (let size = Math.ceil(found.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < found.length && left > 0; ) {
      const without = [...found.slice(0, at), ...found.slice(at + size)];
      if (without.length > 0 && (await holds(without))) found = without;
      else at += size;
    }
  }
  for (let index = 0; index < found.length; index++) {
    for (let again = true; again && left > 0; ) {
      again = false;
      for (const each of simpler(found[index]!)) {
        if (!(await holds(found.with(index, each)))) continue;
        found = found.with(index, each);
        again = true;
        break;
      }
    }
  }
  return found;
}

/** A JSON value with one member or item less, the largest parts first. */
export function* smaller(value: unknown): Generator<unknown> {
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value)) return;
  const isList = Array.isArray(value);
  const entries = Object.entries(value);
  const whole = [...entries].sort(([, a], [, b]) => sizeOf(b) - sizeOf(a));
  for (const [name] of whole)
    yield rebuilt(
      entries.filter(([each]) => each !== name),
      isList,
    );
  for (const [name, member] of whole) {
    for (const less of smaller(member)) {
      yield rebuilt(
        entries.map(([each, old]) => [each, each === name ? less : old]),
        isList,
      );
    }
  }
}

const sizeOf = (value: unknown) => JSON.stringify(value)?.length ?? 0;

function rebuilt(entries: readonly (readonly [string, unknown])[], isList: boolean): unknown {
  return isList ? entries.map(([, each]) => each) : Object.fromEntries(entries);
}
