import { createPublicKey } from "node:crypto";
import {
  readSigningKey,
  type SigningKey,
  type VerificationKey,
  verificationKey,
} from "@raft2kube/pki/service-account-key.ts";
import { compactVerify, errors, type JWTPayload } from "jose";
import { headerOf } from "./jwt/verify-jwt.ts";

/** The keys of service account tokens. */
export type SigningKeys = { signer: SigningKey; verifiers: readonly VerificationKey[] };

/** The keys of service account tokens in PEM. */
export interface SigningKeyTexts {
  /** Signs new tokens. */
  readonly privateKey: string;
  /** Verify tokens: the current key first, then those rotated out. */
  readonly publicKeys: readonly string[];
}

/** Reads the keys; throws when one is of a kind that tokens cannot be signed with. */
export function readSigningKeys(texts: SigningKeyTexts): SigningKeys {
  const signer = readSigningKey(texts.privateKey);
  const verifiers = texts.publicKeys.map((pem) => verificationKey(createPublicKey(pem)));
  if (!verifiers.some((each) => each.id === signer.id)) verifiers.unshift(signer);
  return { signer, verifiers };
}

/**
 * Returns the claims of a token that one of the keys signed. A token that names a key is checked
 * against that key alone.
 */
export async function verifySignature(
  keys: readonly VerificationKey[],
  token: string,
): Promise<JWTPayload | { refused: string }> {
  const header = headerOf(token);
  if (header === undefined) return { refused: "the token's header cannot be read" };
  const { kid } = header;
  const candidates = kid === undefined ? keys : keys.filter(({ id }) => id === kid);
  if (candidates.length === 0) return { refused: "invalid signature, no keys found" };
  for (const { key, algorithm } of candidates) {
    try {
      const { payload } = await compactVerify(token, key, { algorithms: [algorithm] });
      return JSON.parse(Buffer.from(payload).toString("utf8")) as JWTPayload;
    } catch (thrown) {
      // The next key may fit.
      if (!(thrown instanceof errors.JOSEError)) throw thrown;
    }
  }
  return { refused: "go-jose/go-jose: error in cryptographic primitive" };
}
