import { type ValueEncryption, EncryptionError } from "./value-encryption.ts";
import { CIPHERS } from "./ciphers.ts";

/** A secret and its name, which prefixes the values that it encrypted. */
export interface NamedKey {
  readonly name: string;
  readonly secret: Buffer;
}

/** One provider of an EncryptionConfiguration. */
export type Provider =
  | { readonly type: "identity" }
  | { readonly type: "aescbc" | "aesgcm" | "secretbox"; readonly keys: readonly NamedKey[] };

/** The common prefix of all encrypted values. */
const ANY_PREFIX = "k8s:enc:";

/** One key's cipher, and its prefix in the store. */
interface Way {
  /** "" for values that are stored as they are. */
  readonly prefix: Buffer;
  encrypt(key: string, value: Buffer): Buffer;
  decrypt(key: string, encrypted: Buffer): Buffer;
}

/**
 * Values are encrypted by the first key of the first provider, and decrypted by the one they name;
 * prefixes and bytes are upstream's, so either apiserver reads what the other wrote.
 */
export function valueEncryptionOf(providers: readonly Provider[]): ValueEncryption {
  const ways = providers.flatMap(waysOf);
  const [first] = ways;
  if (first === undefined) throw new RangeError("encryption without a provider");
  return {
    encrypt: (key, value) => Buffer.concat([first.prefix, first.encrypt(key, value)]),
    decrypt(key, stored) {
      const encrypted = stored.subarray(0, ANY_PREFIX.length).toString("latin1") === ANY_PREFIX;
      const way = ways.find(({ prefix }) =>
        encrypted ? prefix.length > 0 && startsWith(stored, prefix) : prefix.length === 0,
      );
      if (way === undefined) throw unreadable(key, encrypted ? stored : undefined);
      const value = way.decrypt(key, stored.subarray(way.prefix.length));
      return { value, stale: way !== first };
    },
  };
}

function startsWith(bytes: Buffer, prefix: Buffer): boolean {
  return bytes.subarray(0, prefix.length).equals(prefix);
}

function waysOf(provider: Provider): Way[] {
  if (provider.type === "identity") {
    const prefix = Buffer.alloc(0);
    return [{ prefix, encrypt: (_, value) => value, decrypt: (_, value) => value }];
  }
  const cipher = CIPHERS[provider.type]!;
  return provider.keys.map(({ name, secret }) => ({
    prefix: Buffer.from(`${ANY_PREFIX}${provider.type}:v1:${name}:`),
    encrypt: (key, value) => cipher.encrypt(secret, value, key),
    decrypt: (key, encrypted) => cipher.decrypt(secret, encrypted, key),
  }));
}

function unreadable(key: string, stored: Buffer | undefined): EncryptionError {
  if (stored === undefined) {
    return new EncryptionError(
      `${key} is stored as it is, which the encryption configuration has no provider for: ` +
        "add identity at the end of its providers",
    );
  }
  // k8s:enc:TYPE:VERSION:NAME: names the key, and reveals nothing of the secret.
  const prefix = stored.subarray(0, 200).toString("latin1").split(":").slice(0, 5).join(":");
  return new EncryptionError(
    `${key} is encrypted by ${prefix}, which the encryption configuration does not have`,
  );
}
