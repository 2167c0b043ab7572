import { CodedError, asError, codeOf, messageOf } from "@raft2kube/std/errors.ts";

/** What to do about a damaged database. */
export const REBUILD =
  "with other members healthy, remove this member, empty its data directory and add it again; " +
  "alone, restore a snapshot";

/** What a database gives back is not what was written: the member must not go on with it (S8). */
export class BackendDamagedError extends CodedError {
  override readonly name = "BackendDamagedError";

  constructor(folder: string, what: string, cause?: unknown) {
    super("BACKEND_DAMAGED", `${folder}: ${what}`, {
      cause,
      remedy: REBUILD,
    });
  }
}

/** LevelDB cannot make sense of its files, or cannot read them. */
const ENGINE_CODES = ["LEVEL_CORRUPTION", "LEVEL_IO_ERROR"];

/** An error in our words, where LevelDB itself found damage. */
export function damageOf(folder: string, thrown: unknown): BackendDamagedError | undefined {
  const codes = [codeOf(thrown), codeOf(asError(thrown).cause)];
  if (!codes.some((code) => code !== undefined && ENGINE_CODES.includes(code))) return undefined;
  return new BackendDamagedError(folder, messageOf(thrown), thrown);
}
