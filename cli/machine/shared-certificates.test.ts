import { expect, test } from "vitest";
import { decryptFile, encryptFile, newCertificateKey } from "./shared-certificates.ts";

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
