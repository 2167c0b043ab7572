import { createHash, createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { type JWTPayload, SignJWT } from "jose";

/** A public key by the id that tokens name it with. */
export interface VerificationKey {
  id: string;
  algorithm: "RS256" | "ES256" | "ES384" | "ES512";
  key: KeyObject;
}

/** A key that signs tokens of ServiceAccounts. */
export type SigningKey = VerificationKey & { privateKey: KeyObject };

/** Reads a private key in PEM; TypeError for a kind that tokens cannot be signed with. */
export function readSigningKey(pem: string): SigningKey {
  const privateKey = createPrivateKey(pem);
  return { ...verificationKey(createPublicKey(privateKey)), privateKey };
}

/** Returns a public key with the id that tokens name it by; TypeError as `readSigningKey`. */
export function verificationKey(key: KeyObject): VerificationKey {
  const der = key.export({ type: "spki", format: "der" });
  const id = createHash("sha256").update(der).digest("base64url");
  return { id, algorithm: algorithmOf(key), key };
}

/** Returns a JWT in compact form that names its key. */
export function signToken(claims: JWTPayload, signer: SigningKey): Promise<string> {
  const token = new SignJWT(claims);
  token.setProtectedHeader({ alg: signer.algorithm, kid: signer.id });
  return token.sign(signer.privateKey);
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
