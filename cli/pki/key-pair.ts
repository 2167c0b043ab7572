import { createPrivateKey, X509Certificate } from "node:crypto";
import { rename } from "node:fs/promises";
import { dirname } from "node:path";
import { replaceFile, syncDirectory } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import { CommandError } from "../terminal.ts";
import { parseCertificate } from "./certificates.ts";
import { endsSoon } from "./ends-soon.ts";
import type { PairPaths } from "./identities.ts";

/** How long a CA is valid, and what it issues, as kubeadm's. */
export const CA_DAYS = 3650;
export const CERTIFICATE_DAYS = 365;

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

/** Writes both halves; they come into their places together, as one alone is refused later. */
export async function writeKeyPair(paths: PairPaths, pair: KeyPair): Promise<KeyPair> {
  await replaceFile(`${paths.key}.new`, pair.key, { mode: 0o600 });
  await replaceFile(`${paths.cert}.new`, pair.cert, { mode: 0o644 });
  await rename(`${paths.key}.new`, paths.key);
  await rename(`${paths.cert}.new`, paths.cert);
  await syncDirectory(dirname(paths.key));
  return pair;
}

/**
 * A pair that is there, matches, does not end soon, and is below `ca` if that is given: then it may
 * end with it.
 */
export async function usablePair(
  paths: PairPaths,
  now_ms: number,
  ca?: string,
): Promise<KeyPair | undefined> {
  const [cert, key] = [await readIfPresent(paths.cert), await readIfPresent(paths.key)];
  if (cert === undefined || key === undefined) return undefined;
  const parsed = parseCertificate(paths.cert, cert);
  const from_ms = parsed.validFromDate.getTime();
  const issuer = ca === undefined ? undefined : new X509Certificate(ca);
  if (from_ms > now_ms || endsSoon(parsed, now_ms, issuer)) return undefined;
  if (!parsed.checkPrivateKey(createPrivateKey(key))) return undefined;
  return issuer === undefined || parsed.verify(issuer.publicKey) ? { cert, key } : undefined;
}
