import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import type { KeyPair } from "@raft2kube/pki/certificate.ts";
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
  if (pair.cert !== undefined && pair.key !== undefined) return { cert: pair.cert, key: pair.key };
  if (pair.cert === undefined && pair.key === undefined) return undefined;
  const [missing, other] = pair.cert === undefined ? [cert, key] : [key, cert];
  throw new CommandError("MISSING_HALF", `${missing} is missing, but ${other} exists`, {
    remedy: remedy(missing, other),
  });
}

/** Writes a certificate and its key durably, the key first. */
export async function writeKeyPair(
  paths: { readonly cert: string; readonly key: string },
  pair: KeyPair,
): Promise<KeyPair> {
  await replaceFile(paths.key, pair.key, { mode: 0o600 });
  await replaceFile(paths.cert, pair.cert, { mode: 0o644 });
  return pair;
}
