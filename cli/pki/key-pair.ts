import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { CommandError } from "../terminal.ts";

/**
 * Reads the certificate and the key of a pair; undefined if neither exists. Throws CommandError
 * `MISSING_HALF` with the remedy of `remedy` if one of them is missing.
 */
export async function readKeyPair(
  cert: string,
  key: string,
  remedy: (missing: string, other: string) => string,
): Promise<{ cert: string; key: string } | undefined> {
  const pair = { cert: await readIfPresent(cert), key: await readIfPresent(key) };
  if (pair.cert !== undefined && pair.key !== undefined) {
    return { cert: pair.cert, key: pair.key };
  }
  if (pair.cert === undefined && pair.key === undefined) return undefined;
  const [missing, other] = pair.cert === undefined ? [cert, key] : [key, cert];
  throw new CommandError("MISSING_HALF", `${missing} is missing, but ${other} exists`, {
    remedy: remedy(missing, other),
  });
}
