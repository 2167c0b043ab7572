import { readFile } from "node:fs/promises";
import { isErrno } from "@raft2kube/std/errors.ts";
import { CommandError } from "../terminal.ts";

/**
 * Reads the two files of a key pair; undefined when neither is there. Throws CommandError
 * `MISSING_HALF` naming the one that is missing, with what `remedy` says of it and the other.
 */
export async function readHalves(
  cert: string,
  key: string,
  remedy: (missing: string, other: string) => string,
): Promise<{ cert: string; key: string } | undefined> {
  const halves = { cert: await readIfThere(cert), key: await readIfThere(key) };
  if (halves.cert !== undefined && halves.key !== undefined) {
    return { cert: halves.cert, key: halves.key };
  }
  if (halves.cert === undefined && halves.key === undefined) return undefined;
  const [missing, other] = halves.cert === undefined ? [cert, key] : [key, cert];
  throw new CommandError("MISSING_HALF", `${missing} is missing, but ${other} is there`, {
    remedy: remedy(missing, other),
  });
}

/** A file's text; undefined when there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return undefined;
    throw thrown;
  }
}
