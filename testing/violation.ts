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
 * What a member or the run itself threw: the store's own assertion or refusal, or, when the
 * language refused, a mistake in a program, which must not pass for a bug that was noticed.
 */
export function thrownBy(thrown: unknown, message: string): Violation {
  const mistake = thrown instanceof TypeError || thrown instanceof ReferenceError;
  return new Violation(mistake ? "mistake in a program" : "store's own", message);
}
