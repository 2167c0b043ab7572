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
