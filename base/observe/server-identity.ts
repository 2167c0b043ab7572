import { createHash } from "node:crypto";
import { hostname } from "node:os";

/** The program of the identity: several may run on one machine. */
export const IDENTITY = "kube-apiserver";

/** `apiserver-` and half of a SHA-256 of host and program in base32, as upstream names a server. */
export function identityName(host: string): string {
  const hash = createHash("sha256");
  for (const text of [host, IDENTITY]) hash.update(prefixed(text));
  const half = hash.digest().subarray(0, HASH_BYTES);
  let bits = BigInt(`0x${half.toString("hex")}`) << 2n;
  let letters = "";
  for (let at = 0; at < LETTERS; at++, bits >>= 5n) letters = BASE32[Number(bits & 31n)]! + letters;
  return `apiserver-${letters}`;
}

const HASH_BYTES = 16;
/** Base32 letters, of five bits each, for 128 bits and two more. */
const LETTERS = 26;
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/** A text preceded by the count of its bytes. */
function prefixed(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** Distinguishes servers in metrics: a hash of this one's identity. */
export const serverIdHash = (): string => hashOf(identityName(hostname()));

/** A text that is no label itself, as upstream's metrics show it. */
export const hashOf = (text: string): string =>
  `sha256:${createHash("sha256").update(text).digest("hex")}`;
