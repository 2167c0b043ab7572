/**
 * An invariant of the program does not hold: continuing could corrupt data. Never thrown for bad
 * input.
 */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/**
 * Stops on a broken invariant, in production too. `detail` names the values that broke it; where
 * every request passes, as a function, since putting a text together costs more than most checks.
 */
export function assert(condition: unknown, detail: string | (() => string)): asserts condition {
  if (condition) return;
  throw new AssertionError(typeof detail === "string" ? detail : detail());
}

/** The end of an exhaustive switch: reaching it means a case was added and not handled. */
export function unreachable(value: never, what = "value"): never {
  throw new AssertionError(`unhandled ${what}: ${JSON.stringify(value)}`);
}

/**
 * A revision, index or size: a whole number from 0 to 2^53 - 1, so that arithmetic on it is exact.
 */
export function assertSafeInteger(value: number, name: string): number {
  assert(
    Number.isSafeInteger(value) && value >= 0,
    () => `${name} is not a whole number below 2^53: ${value}`,
  );
  return value;
}
