import { createPrivateKey, sign } from "node:crypto";

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A JWT of these claims, signed by an RSA or P-256 key (PEM), which it does not name. */
export function signToken(pem: string, claims: object): string {
  const key = createPrivateKey(pem);
  const alg = key.asymmetricKeyType === "rsa" ? "RS256" : "ES256";
  const text = `${encoded({ alg })}.${encoded(claims)}`;
  // JOSE has both numbers of an elliptic signature side by side (RFC 7518, 3.4).
  const signature = sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" });
  return `${text}.${signature.toString("base64url")}`;
}
