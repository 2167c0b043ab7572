/**
 * The base of all errors for callers: `code` for programs, `message` for people, `remedy` for the
 * solution. Packages derive their own; strings are never thrown.
 */
export class CodedError extends Error {
  override readonly name: string;
  readonly code: string;
  readonly remedy: string | undefined;

  constructor(code: string, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.remedy = options.remedy;
  }
}

/** Returns the message of a thrown value. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Messages as Go shows aggregated errors: one as it is, several as a list in brackets. */
export const aggregateOf = (messages: readonly string[]): string =>
  messages.length === 1 ? messages[0]! : `[${messages.join(", ")}]`;

/** Returns the `code` of a thrown error (Node's `ENOENT`, CodedError's), or undefined. */
export function codeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== "object" || thrown === null || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}

/** Returns what a thrown CodedError says to do about it, if anything. */
export function remedyOf(thrown: unknown): string | undefined {
  return thrown instanceof CodedError ? thrown.remedy : undefined;
}

/** Whether a failed system call failed with one of these errno names. */
export function isErrno(thrown: unknown, ...names: string[]): boolean {
  const code = codeOf(thrown);
  return code !== undefined && names.includes(code);
}

/** Returns the test for a system call that failed with one of these errno names. */
export function errno(...names: string[]): (thrown: unknown) => boolean {
  return (thrown) => isErrno(thrown, ...names);
}

/** Resolves as `work` does, with undefined where it fails as expected. */
export async function tolerate<T>(
  work: Promise<T>,
  isExpected: (thrown: unknown) => boolean,
): Promise<T | undefined> {
  try {
    return await work;
  } catch (thrown) {
    if (isExpected(thrown)) return undefined;
    throw thrown;
  }
}

/** Returns the result of `work`, undefined where it fails as expected. */
export function tolerateSync<T>(
  work: () => T,
  isExpected: (thrown: unknown) => boolean,
): T | undefined {
  try {
    return work();
  } catch (thrown) {
    if (isExpected(thrown)) return undefined;
    throw thrown;
  }
}

/** Whether `work` succeeds; false where it fails as expected. */
export function succeeds(work: () => void, isExpected: (thrown: unknown) => boolean): boolean {
  const done = () => {
    work();
    return true;
  };
  return tolerateSync(done, isExpected) ?? false;
}

/** Returns a thrown value as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
