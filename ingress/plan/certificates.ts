import {
  createPrivateKey,
  type KeyObject,
  randomBytes,
  sign,
  verify,
  X509Certificate,
} from "node:crypto";
import { createSecureContext } from "node:tls";
import type { Secret } from "@raft2kube/api/gen/core/v1.ts";
import { costlyToParse } from "@raft2kube/std/costly-certificate.ts";
import { digest } from "@raft2kube/std/digest.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import {
  PAIR_CHARS_MAX,
  RSA_BITS_MAX,
  RSA_EXPONENT_BYTES_MAX,
  RSA_SIGNATURES_TRIED,
} from "../limits.ts";
import type { Pair } from "./model.ts";

/** A pair, and when its first certificate starts and ends. */
export interface TimedPair extends Pair {
  readonly from_ms: number;
  readonly until_ms: number;
}

const known = new WeakMap<Secret, ReturnType<typeof readPair>>();

const CHAIN_MAX = 10;
const TOO_LARGE = { problem: "it is too large" } as const;
const REFUSED = { problem: "haproxy's OpenSSL does not take it" } as const;
const BLOCK = /-----BEGIN ([A-Z ]+)-----([A-Za-z0-9+/=\s]+)-----END \1-----/g;
/** The forms of private keys, by the label of their PEM. */
const KEY_TYPES: Readonly<Record<string, "pkcs8" | "sec1" | "pkcs1">> = {
  "PRIVATE KEY": "pkcs8",
  "EC PRIVATE KEY": "sec1",
  "RSA PRIVATE KEY": "pkcs1",
};
/** The algorithms that the OpenSSL of haproxy takes as Node's newer one: no SHA-1, no RSA-PSS. */
const KEYS = /^(rsa|ec|ed25519|ed448)$/;
const SIGNATURES = /^(sha\d{3}WithRSAEncryption|ecdsa-with-SHA\d{3}|ED\d+)$/;

/**
 * Reads the pair of a Secret of the type kubernetes.io/tls, or returns why it cannot be used.
 * haproxy refuses its whole configuration for one bad pair, so all that it checks is checked here:
 * that the key fits, OpenSSL's security level 2 (RSA of 2048 bits, no SHA-1), and that its older
 * OpenSSL knows the algorithms. Each Secret is read once, and not by each pass for each Ingress
 * that names it.
 */
export function readPair(secret: Secret | undefined): TimedPair | { readonly problem: string } {
  if (!secret) return { problem: "there is no such Secret of the type kubernetes.io/tls" };
  const pair = known.get(secret) ?? pairIn(secret);
  known.set(secret, pair);
  return pair;
}

/** Marks the Secrets of pairs that haproxy refuses although all checks passed: plans say why. */
export function refusePairs(secrets: readonly Secret[], ids: ReadonlySet<string>): void {
  for (const secret of secrets) {
    const pair = known.get(secret);
    if (pair && "id" in pair && ids.has(pair.id)) known.set(secret, REFUSED);
  }
}

/** Returns a Secret with its pair alone: a tenant may have hundreds of a megabyte. */
export function keptOf<T extends Secret>(secret: T): T {
  const { "tls.crt": cert = "", "tls.key": key = "" } = secret.data ?? {};
  const { name, namespace, resourceVersion } = secret.metadata;
  const isLarge = cert.length + key.length > PAIR_CHARS_MAX;
  const data = isLarge ? {} : { "tls.crt": cert, "tls.key": key };
  const kept = { ...secret, metadata: { name, namespace, resourceVersion }, data };
  if (isLarge) known.set(kept, TOO_LARGE);
  return kept;
}

function pairIn(secret: Secret): TimedPair | { readonly problem: string } {
  const [cert, key] = ["tls.crt", "tls.key"].map((name) => secret.data?.[name]);
  if (!cert || !key) return { problem: "it has no tls.crt and tls.key" };
  if (cert.length + key.length > PAIR_CHARS_MAX) return TOO_LARGE;
  try {
    return pairOf(decoded(cert), decoded(key));
  } catch (thrown) {
    return { problem: messageOf(thrown).slice(0, 200) };
  }
}

/** Writes a certificate and a key as haproxy reads them. Throws for what it would refuse. */
export function pairOf(certText: string, keyText: string): TimedPair {
  const refuse = (problem: string) => new CodedError("BAD_PAIR", problem);
  const chain = blocksIn(certText).filter(({ label }) => label === "CERTIFICATE");
  if (chain.length === 0) throw refuse("tls.crt has no certificate");
  if (chain.length > CHAIN_MAX) throw refuse(`tls.crt has more than ${CHAIN_MAX}`);
  const given = blocksIn(keyText).find(({ label }) => KEY_TYPES[label] !== undefined);
  if (!given) throw refuse("tls.key has no private key, or an encrypted one");
  // OpenSSL parses the very bytes that are looked at here, without PEM's freedoms.
  for (const { der } of [...chain, given]) {
    const problem = costlyToParse(der);
    if (problem !== undefined) throw refuse(problem);
  }
  const certificates = chain.map(({ der }) => new X509Certificate(der));
  for (const { publicKey, signatureAlgorithm = "" } of certificates) {
    const isKnown = KEYS.test(publicKey.asymmetricKeyType ?? "");
    if (!isKnown || !SIGNATURES.test(signatureAlgorithm)) {
      throw refuse(`an algorithm of tls.crt is not supported: ${signatureAlgorithm}`);
    }
  }
  const [first] = certificates as [X509Certificate];
  const type = KEY_TYPES[given.label]!;
  const privateKey = createPrivateKey({ key: given.der, format: "der", type });
  if ((privateKey.asymmetricKeyDetails?.modulusLength ?? 0) > RSA_BITS_MAX) {
    throw refuse(`its key has more than ${RSA_BITS_MAX} bits`);
  }
  if (!isQuick(privateKey)) throw refuse("the parts of its key do not fit together");
  if (!first.checkPrivateKey(privateKey)) throw refuse("its key is another certificate's");
  const cert = certificates.map(String).join("");
  const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  createSecureContext({ cert, key, ciphers: "DEFAULT:@SECLEVEL=2" });
  const pem = `${cert}${key}`;
  return {
    id: digest(pem),
    pem,
    from_ms: Date.parse(first.validFrom),
    until_ms: Date.parse(first.validTo),
  };
}

/**
 * Whether signatures by an RSA key's two primes come out right. OpenSSL computes a wrong one again
 * without them, by which a handshake takes 20 ms rather than 3, as with a large public exponent or
 * a prime that has most of the bits. Exponents that do not fit may be right every other time.
 */
function isQuick(privateKey: KeyObject): boolean {
  if (privateKey.asymmetricKeyType !== "rsa") return true;
  const key = privateKey.export({ format: "jwk" });
  const [n, e, p, q, dp, dq] = [key.n, key.e, key.p, key.q, key.dp, key.dq].map((part) =>
    Buffer.from(String(part), "base64url"),
  ) as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
  const half = n.length / 2 + 1;
  if ([p, q, dp, dq].some(({ length }) => length > half)) return false;
  if (e.length > RSA_EXPONENT_BYTES_MAX) return false;
  if (!isInverse(e, dp, p) || !isInverse(e, dq, q)) return false;
  // With another private exponent only its primes can make a signature that is right.
  const primes = createPrivateKey({ key: { ...key, d: "AQ" }, format: "jwk" });
  return Array.from({ length: RSA_SIGNATURES_TRIED }, () => randomBytes(32)).every((message) =>
    verify("sha256", message, privateKey, sign("sha256", message, primes)),
  );
}

/** Whether a private exponent is the public one's for a prime. */
function isInverse(e: Buffer, d: Buffer, prime: Buffer): boolean {
  const number = (part: Buffer) => BigInt(`0x0${part.toString("hex")}`);
  return number(prime) > 2n && (number(e) * number(d)) % (number(prime) - 1n) === 1n;
}

function decoded(value: string | Uint8Array): string {
  const bytes = typeof value === "string" ? Buffer.from(value, "base64") : Buffer.from(value);
  return bytes.toString("latin1");
}

/** Why a pair is served with a warning, at a time. */
export function outOfTime({ from_ms, until_ms }: TimedPair, now_ms: number): string | undefined {
  const at = (time_ms: number) => new Date(time_ms).toISOString();
  if (now_ms > until_ms) return `its certificate expired at ${at(until_ms)}`;
  if (now_ms < from_ms) return `its certificate starts at ${at(from_ms)}`;
  return undefined;
}

const blocksIn = (pem: string) =>
  [...pem.matchAll(BLOCK)].map(([, label, body]) => ({
    label: label!,
    der: Buffer.from(body!, "base64"),
  }));
