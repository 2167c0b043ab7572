/**
 * A violated invariant of the program: continuing could corrupt data. Never thrown for invalid
 * input.
 */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/**
 * Throws AssertionError if `condition` is false, in production too. `detail` names the values; on
 * hot paths pass a function, since formatting a text costs more than most checks.
 */
export function assert(condition: unknown, detail: string | (() => string)): asserts condition {
  if (condition) return;
  throw new AssertionError(typeof detail === "string" ? detail : detail());
}

/**
 * Asserts relations between limits, each by the sentence that it makes true; a `limits.ts` calls it
 * when it is loaded. A limit that is changed alone then fails when it is loaded, not under load.
 */
export function assertLimits(relations: Readonly<Record<string, boolean>>): void {
  for (const [sentence, holds] of Object.entries(relations)) {
    assert(holds, () => `limits that do not fit together: ${sentence}`);
  }
}

/** The default of an exhaustive switch: fails if a case was added and not handled. */
export function unreachable(value: never, what = "value"): never {
  throw new AssertionError(`unhandled ${what}: ${JSON.stringify(value)}`);
}

/**
 * Asserts that a revision, index or size is an integer from 0 to 2^53 - 1, for exact arithmetic.
 */
export function assertSafeInteger(value: number, name: string): number {
  assert(
    Number.isSafeInteger(value) && value >= 0,
    () => `${name} is not a whole number below 2^53: ${value}`,
  );
  return value;
}
