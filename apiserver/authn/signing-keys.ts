import { createHash, createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import type { ApiserverOptions } from "../options.ts";

/** A public key by the id that tokens name it with. */
export interface VerificationKey {
  id: string;
  algorithm: "RS256" | "ES256" | "ES384" | "ES512";
  key: KeyObject;
}

/** The keys of service account tokens. */
export interface SigningKeys {
  signer: VerificationKey & { privateKey: KeyObject };
  verifiers: readonly VerificationKey[];
}

/** Reads the keys; throws when one is of a kind that tokens cannot be signed with. */
export function readSigningKeys(options: ApiserverOptions["serviceAccountKey"]): SigningKeys {
  const privateKey = createPrivateKey(options.privateKey);
  const signer = { ...verificationKey(createPublicKey(privateKey)), privateKey };
  const verifiers = options.publicKeys.map((pem) => verificationKey(createPublicKey(pem)));
  if (!verifiers.some((each) => each.id === signer.id)) verifiers.unshift(signer);
  return { signer, verifiers };
}

function verificationKey(key: KeyObject): VerificationKey {
  const der = key.export({ type: "spki", format: "der" });
  const id = createHash("sha256").update(der).digest("base64url");
  return { id, algorithm: algorithmOf(key), key };
}

const CURVES: Readonly<Record<string, VerificationKey["algorithm"]>> = {
  prime256v1: "ES256",
  secp384r1: "ES384",
  secp521r1: "ES512",
};

function algorithmOf(key: KeyObject): VerificationKey["algorithm"] {
  if (key.asymmetricKeyType === "rsa") return "RS256";
  const curve = CURVES[key.asymmetricKeyDetails?.namedCurve ?? ""];
  if (curve === undefined) {
    throw new TypeError(`service account key of type ${key.asymmetricKeyType}: use RSA or ECDSA`);
  }
  return curve;
}
