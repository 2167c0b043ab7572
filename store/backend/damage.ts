import { asError, CodedError, codeOf, messageOf } from "@raft2kube/std/errors.ts";

/** The remedy for a damaged database. */
export const REBUILD =
  "with other members healthy, remove this member, empty its data directory and add it again; " +
  "alone, restore a snapshot";

/** A database returned other data than was written: the member must stop (S8). */
export class BackendDamagedError extends CodedError {
  constructor(folder: string, what: string, cause?: unknown) {
    super("BACKEND_DAMAGED", `${folder}: ${what}`, { cause, remedy: REBUILD });
  }
}

/** LevelDB cannot make sense of its files. */
const SENSELESS = ["LEVEL_CORRUPTION"];
/** The same, or it cannot read them. */
const UNREADABLE = [...SENSELESS, "LEVEL_IO_ERROR"];

/** An error in our words, where a read of LevelDB's found damage. */
export function damageOf(folder: string, thrown: unknown): BackendDamagedError | undefined {
  return named(UNREADABLE, folder, thrown);
}

/**
 * The same where a write did, since it had to wait for tables to be merged: what the disk alone
 * refuses is no damage. LevelDB calls a read past the end of a table an invalid argument.
 */
export function damageInWrite(folder: string, thrown: unknown): BackendDamagedError | undefined {
  const lost = TABLE_LOST.test(messageOf(thrown));
  return named(lost ? UNREADABLE : SENSELESS, folder, thrown);
}

/** LevelDB's error about a table that is missing or truncated. */
const TABLE_LOST = /\.ldb: (Invalid argument|No such file or directory)/;

function named(codes: readonly string[], folder: string, thrown: unknown) {
  const given = [codeOf(thrown), codeOf(asError(thrown).cause)];
  if (!given.some((code) => code !== undefined && codes.includes(code))) return undefined;
  return new BackendDamagedError(folder, messageOf(thrown), thrown);
}
