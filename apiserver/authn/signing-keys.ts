import { createPublicKey } from "node:crypto";
import {
  readSigningKey,
  type SigningKey,
  type VerificationKey,
  verificationKey,
} from "@raft2kube/pki/service-account-key.ts";

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
