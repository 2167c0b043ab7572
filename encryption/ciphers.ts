import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { EncryptionError } from "./value-encryption.ts";

/** One way to encrypt, in upstream's layout of bytes. `context` is the storage key. */
export interface Cipher {
  /** Lengths in bytes that a key may have. */
  readonly keyBytes: readonly number[];
  encrypt(key: Buffer, plain: Buffer, context: string): Buffer;
  /** Throws EncryptionError when the bytes are not what `encrypt` made with this key. */
  decrypt(key: Buffer, encrypted: Buffer, context: string): Buffer;
}

const GCM_NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CBC_IV_BYTES = 16;
const BOX_NONCE_BYTES = 24;

/** AES-GCM: nonce, ciphertext, tag. The context is authenticated, so values cannot be swapped. */
export const aesgcm: Cipher = {
  keyBytes: [16, 24, 32],
  encrypt(key, plain, context) {
    const nonce = randomBytes(GCM_NONCE_BYTES);
    const cipher = createCipheriv(gcmName(key), key, nonce).setAAD(Buffer.from(context));
    return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  },
  decrypt(key, encrypted, context) {
    const end = encrypted.length - TAG_BYTES;
    if (end < GCM_NONCE_BYTES) throw tooShort();
    const nonce = encrypted.subarray(0, GCM_NONCE_BYTES);
    const opened = createDecipheriv(gcmName(key), key, nonce).setAAD(Buffer.from(context));
    opened.setAuthTag(encrypted.subarray(end));
    return finish(() => [opened.update(encrypted.subarray(GCM_NONCE_BYTES, end)), opened.final()]);
  },
};

const gcmName = (key: Buffer) => `aes-${(key.length * 8) as 128 | 192 | 256}-gcm` as const;

/** AES-CBC with PKCS#7: initial vector, ciphertext. Nothing is authenticated (upstream's too). */
const aescbc: Cipher = {
  keyBytes: [16, 24, 32],
  encrypt(key, plain) {
    const iv = randomBytes(CBC_IV_BYTES);
    const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, iv);
    return Buffer.concat([iv, cipher.update(plain), cipher.final()]);
  },
  decrypt(key, encrypted) {
    if (encrypted.length < 2 * CBC_IV_BYTES) throw tooShort();
    const iv = encrypted.subarray(0, CBC_IV_BYTES);
    const opened = createDecipheriv(`aes-${key.length * 8}-cbc`, key, iv);
    return finish(() => [opened.update(encrypted.subarray(CBC_IV_BYTES)), opened.final()]);
  },
};

/** NaCl's secretbox (XSalsa20, Poly1305): nonce, tag, ciphertext. Node's OpenSSL has neither. */
const secretbox: Cipher = {
  keyBytes: [32],
  encrypt(key, plain) {
    const nonce = randomBytes(BOX_NONCE_BYTES);
    return Buffer.concat([nonce, xsalsa20poly1305(key, nonce).encrypt(plain)]);
  },
  decrypt(key, encrypted) {
    if (encrypted.length < BOX_NONCE_BYTES + TAG_BYTES) throw tooShort();
    const nonce = encrypted.subarray(0, BOX_NONCE_BYTES);
    const box = encrypted.subarray(BOX_NONCE_BYTES);
    return finish(() => [xsalsa20poly1305(key, nonce).decrypt(box)]);
  },
};

function finish(open: () => Uint8Array[]): Buffer {
  try {
    return Buffer.concat(open());
  } catch (thrown) {
    // The libraries report a wrong key or damaged bytes in many ways.
    const why = "the stored value does not decrypt with this key";
    throw new EncryptionError(why, { cause: thrown });
  }
}

const tooShort = () => new EncryptionError("the stored value is too short to be encrypted");

/** The ciphers by their names in an EncryptionConfiguration. */
export const CIPHERS: Readonly<Record<string, Cipher>> = { aescbc, aesgcm, secretbox };
