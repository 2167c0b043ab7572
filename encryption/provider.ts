import { CIPHERS } from "./ciphers.ts";
import type { KmsPlugin } from "./kms/plugin.ts";
import { EncryptionError, type ValueEncryption } from "./value-encryption.ts";

/** A secret and its name, which prefixes the values that it encrypted. */
export type NamedKey = { readonly name: string; readonly secret: Buffer };

/** One provider of an EncryptionConfiguration. */
export type Provider =
  | { readonly type: "identity" }
  | { readonly type: "kms"; readonly plugin: KmsPlugin }
  | { readonly type: "aescbc" | "aesgcm" | "secretbox"; readonly keys: readonly NamedKey[] };

/** The common prefix of all encrypted values. */
const ANY_PREFIX = "k8s:enc:";

/** One key's cipher, and its prefix in the store. */
interface Way {
  /** "" for values that are stored as they are. */
  readonly prefix: Buffer;
  encrypt(key: string, value: Buffer): Buffer;
  /** `stale`: it would be encrypted otherwise now, even by this way. */
  decrypt(key: string, encrypted: Buffer): { value: Buffer; stale: boolean };
  prepare?(encrypted: readonly Buffer[]): Promise<void> | undefined;
}

/**
 * Values are encrypted by the first key of the first provider, and decrypted by the first that they
 * name and that opens them: keys of several providers may have one name, as in upstream.
 * Prefixes and bytes are upstream's, so either apiserver reads what the other wrote.
 */
export function valueEncryptionOf(providers: readonly Provider[]): ValueEncryption {
  const ways = providers.flatMap(waysOf);
  const [first] = ways;
  if (first === undefined) throw new RangeError("encryption without a provider");
  return {
    encrypt: (key, value) => Buffer.concat([first.prefix, first.encrypt(key, value)]),
    decrypt(key, stored) {
      const encrypted = stored.subarray(0, ANY_PREFIX.length).toString("latin1") === ANY_PREFIX;
      let failure: unknown;
      for (const way of ways) {
        const { prefix } = way;
        if (prefix.length > 0 !== encrypted || !startsWith(stored, prefix)) continue;
        try {
          const { value, stale } = way.decrypt(key, stored.subarray(prefix.length));
          return { value, stale: stale || way !== first };
        } catch (thrown) {
          failure ??= thrown;
        }
      }
      throw failure ?? unreadable(key, encrypted ? stored : undefined);
    },
    ...(ways.some(({ prepare }) => prepare) && {
      prepare: (stored: readonly Buffer[]) => prepareBy(ways, stored),
    }),
  };
}

function prepareBy(ways: readonly Way[], stored: readonly Buffer[]): Promise<void> | undefined {
  const pending = ways.flatMap(({ prefix, prepare }) => {
    const own = prepare === undefined ? [] : stored.filter((bytes) => startsWith(bytes, prefix));
    const inner = own.map((bytes) => bytes.subarray(prefix.length));
    return (own.length === 0 ? undefined : prepare?.(inner)) ?? [];
  });
  return pending.length === 0 ? undefined : Promise.all(pending).then(() => undefined);
}

function startsWith(bytes: Buffer, prefix: Buffer): boolean {
  return bytes.subarray(0, prefix.length).equals(prefix);
}

function waysOf(provider: Provider): Way[] {
  if (provider.type === "identity") {
    const prefix = Buffer.alloc(0);
    const decrypt = (_: string, value: Buffer) => ({ value, stale: false });
    return [{ prefix, encrypt: (_, value) => value, decrypt }];
  }
  if (provider.type === "kms") {
    const { plugin } = provider;
    return [
      {
        prefix: Buffer.from(`${ANY_PREFIX}kms:v2:${plugin.name}:`),
        encrypt: (key, value) => plugin.encrypt(key, value),
        decrypt: (key, encrypted) => plugin.decrypt(key, encrypted),
        prepare: (encrypted) => plugin.prepare(encrypted),
      },
    ];
  }
  const cipher = CIPHERS[provider.type]!;
  return provider.keys.map(({ name, secret }) => ({
    prefix: Buffer.from(`${ANY_PREFIX}${provider.type}:v1:${name}:`),
    encrypt: (key, value) => cipher.encrypt(secret, value, key),
    decrypt: (key, encrypted) => ({ value: cipher.decrypt(secret, encrypted, key), stale: false }),
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
