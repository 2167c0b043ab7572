import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import {
  decryptFile,
  encryptFile,
  newCertificateKey,
  requirePairs,
} from "./shared-certificates.ts";

test("a file is encrypted as kubeadm encrypts it, and by one key alone", () => {
  const key = newCertificateKey();
  const bytes = encryptFile(Buffer.from("a key"), key);
  // Nonce, text and tag.
  expect(bytes).toHaveLength(12 + 5 + 16);
  expect(decryptFile(bytes, key).toString()).toBe("a key");
  expect(encryptFile(Buffer.from("a key"), key).equals(bytes)).toBe(false);
  const other = { code: "CERTIFICATE_KEY" };
  expect(() => decryptFile(bytes, newCertificateKey())).toThrow(expect.objectContaining(other));
  bytes[14]! ^= 1;
  expect(() => decryptFile(bytes, key)).toThrow(expect.objectContaining(other));
  expect(() => decryptFile(Buffer.alloc(3), key)).toThrow(expect.objectContaining(other));
});

test("bytes of another implementation in kubeadm's layout are read", () => {
  const key = "00112233445566778899aabbccddeeff".repeat(2);
  // Python's cryptography: nonce + AESGCM(key).encrypt(nonce, b"kubeadm", None), nonce 0 to 11.
  const nonce = "000102030405060708090a0b";
  const bytes = Buffer.from(`${nonce}7d6dd753212da02a6098247a0c9aae68c97a078c19a4d3`, "hex");
  expect(decryptFile(bytes, key).toString()).toBe("kubeadm");
});

test("a key that is none is refused", () => {
  expect(() => encryptFile(Buffer.from(""), "abc")).toThrow(/32 bytes in hexadecimal/);
});

test("a tag that was cut short is refused", () => {
  const key = newCertificateKey();
  const bytes = encryptFile(Buffer.from("a key"), key);
  expect(() => decryptFile(bytes.subarray(0, 16), key)).toThrow(
    expect.objectContaining({ code: "CERTIFICATE_KEY" }),
  );
});

test("files of the Secret that were exchanged are refused before one is written", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = Buffer.from(privateKey.export({ type: "pkcs8", format: "pem" }));
  const files = new Map([
    ["ca.key", key],
    ["ca.crt", key],
  ]);
  expect(() => requirePairs(files)).toThrow(expect.objectContaining({ code: "CERTIFICATE_KEY" }));
  const pub = Buffer.from(publicKey.export({ type: "spki", format: "pem" }));
  expect(() =>
    requirePairs(
      new Map([
        ["sa.key", key],
        ["sa.pub", pub],
      ]),
    ),
  ).not.toThrow();
});
