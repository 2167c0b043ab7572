/** A property that did not hold: which, and what was seen instead. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly checker: string;

  constructor(checker: string, message: string) {
    super(`${checker}: ${message}`);
    this.checker = checker;
  }
}

/**
 * Throws a Violation of `checker` unless `holds`. A message that takes long to put together is
 * asked for only then.
 */
export function require(
  holds: boolean,
  checker: string,
  message: string | (() => string),
): asserts holds {
  if (!holds) throw new Violation(checker, typeof message === "string" ? message : message());
}

/**
 * Returns the violation for an error that a member or the run threw: the store's own assertion or
 * refusal, or, for an error of the language, a mistake in a program, which must not count as a
 * detected bug.
 */
export function thrownBy(thrown: unknown, message: string): Violation {
  const mistake = thrown instanceof TypeError || thrown instanceof ReferenceError;
  return new Violation(mistake ? "mistake in a program" : "store's own", message);
}
