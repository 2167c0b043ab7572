import { createHash, createHmac, randomBytes } from "node:crypto";
import { EncryptedDEKSourceType, EncryptedObject } from "@raft2kube/proto/gen/kms.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { dnsSubdomain } from "@raft2kube/std/names.ts";
import { aesgcm } from "../ciphers.ts";
import {
  KMS_ANNOTATIONS_BYTES_MAX,
  KMS_KEY_ID_BYTES_MAX,
  KMS_SOURCE_BYTES_MAX,
} from "../limits.ts";
import { EncryptionError } from "../value-encryption.ts";

/** How a value's key came about: all of an EncryptedObject but the value. */
export type SealedKey = Omit<EncryptedObject, "encryptedData">;

const INFO_BYTES = 32;
const TYPES: readonly number[] = Object.values(EncryptedDEKSourceType);
export const SEED_BYTES = 32;

/** Throws EncryptionError for what upstream would not store either. */
export function checkSealedKey(key: SealedKey): void {
  const { keyID, encryptedDEKSource: source, annotations, encryptedDEKSourceType: type } = key;
  const refuse = (why: string) => new EncryptionError(`an encrypted value of a plugin: ${why}`);
  checkKeyId(keyID);
  if (source.length === 0 || source.length > KMS_SOURCE_BYTES_MAX) {
    throw refuse(`its key has ${source.length} bytes, not 1 to ${KMS_SOURCE_BYTES_MAX}`);
  }
  if (!TYPES.includes(type)) throw refuse(`a key of type ${type}`);
  let bytes = 0;
  for (const [name, value] of Object.entries(annotations)) {
    bytes += Buffer.byteLength(name) + value.length;
    if (dnsSubdomain(name).length > 0 || !name.includes(".")) {
      throw refuse(`the annotation ${JSON.stringify(name)} is no domain name`);
    }
  }
  if (bytes > KMS_ANNOTATIONS_BYTES_MAX) throw refuse(`annotations of ${bytes} bytes`);
}

/** Throws EncryptionError for a key id that is empty or too long, after `invalid` was called. */
export function checkKeyId(keyId: string, invalid: () => void = () => undefined): void {
  const bytes = Buffer.byteLength(keyId);
  if (bytes > 0 && bytes <= KMS_KEY_ID_BYTES_MAX) return;
  invalid();
  throw new EncryptionError(
    `a plugin's key id has ${bytes} bytes, not 1 to ${KMS_KEY_ID_BYTES_MAX}`,
  );
}

/** The value in the store's bytes. Throws EncryptionError. */
export function readSealed(bytes: Buffer): EncryptedObject {
  let object: EncryptedObject;
  try {
    object = EncryptedObject.decode(bytes);
  } catch (thrown) {
    throw new EncryptionError(`an encrypted value of a plugin: ${messageOf(thrown)}`);
  }
  if (object.encryptedData.length === 0) {
    throw new EncryptionError("an encrypted value of a plugin: it has no bytes");
  }
  checkSealedKey(object);
  return object;
}

/** Names a key for those that are known. No two keys have one name. */
export function nameOf({ keyID, encryptedDEKSource, annotations, ...key }: SealedKey): string {
  const notes = Object.entries(annotations)
    .map(([name, value]) => [name, Buffer.from(value).toString("base64")])
    .sort();
  const source = encryptedDEKSource.toString("base64");
  const all = JSON.stringify([key.encryptedDEKSourceType, source, keyID, notes]);
  return createHash("sha256").update(all).digest("base64");
}

/** Encrypts with a key of its own, derived of the seed and 32 random bytes before the value. */
export function sealWith(seed: Buffer, value: Buffer, context: string): Buffer {
  const info = randomBytes(INFO_BYTES);
  return Buffer.concat([info, aesgcm.encrypt(derived(seed, info), value, context)]);
}

/** Decrypts a value with the plaintext of its key: a seed, or the key itself. */
export function openWith(plain: Buffer, type: number, data: Buffer, context: string): Buffer {
  if (type === EncryptedDEKSourceType.AES_GCM_KEY) {
    if (!aesgcm.keyBytes.includes(plain.length)) throw unfit(plain);
    return aesgcm.decrypt(plain, data, context);
  }
  if (plain.length < SEED_BYTES) throw unfit(plain);
  if (data.length < INFO_BYTES) {
    throw new EncryptionError("the stored value is too short to be encrypted");
  }
  const key = derived(plain, data.subarray(0, INFO_BYTES));
  return aesgcm.decrypt(key, data.subarray(INFO_BYTES), context);
}

const unfit = (plain: Buffer) =>
  new EncryptionError(`a plugin decrypted a key to ${plain.length} bytes, which are no key`);

/** One block of HKDF-Expand with SHA-256 (RFC 5869): as many bytes as AES-256 needs. */
function derived(seed: Buffer, info: Buffer): Buffer {
  return createHmac("sha256", seed).update(info).update(Buffer.of(1)).digest();
}
