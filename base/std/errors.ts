/**
 * The base of every error a caller may meet: `code` for programs, `message` for people, `remedy`
 * for what to do about it. Packages derive their own; a bare string is never thrown.
 */
export class CodedError extends Error {
  override readonly name: string = "CodedError";
  readonly code: string;
  readonly remedy: string | undefined;

  constructor(code: string, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
  }
}

/** The message of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The `code` of a thrown error (Node's `ENOENT`, ours), or undefined. */
export function codeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== "object" || thrown === null || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}

/** Whether a failed system call failed with one of these errno names. */
export function isErrno(thrown: unknown, ...names: string[]): boolean {
  const code = codeOf(thrown);
  return code !== undefined && names.includes(code);
}

/** The value thrown, as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
