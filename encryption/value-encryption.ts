import { CodedError } from "@raft2kube/std/errors.ts";

/** A stored value that cannot be read. */
export class EncryptionError extends CodedError {
  constructor(message: string, options?: ErrorOptions) {
    super("ENCRYPTION", message, options);
  }
}

/** How the values of one kind lie in the store: as they are, or encrypted. */
export interface ValueEncryption {
  /** The bytes to store under `key`. */
  encrypt(key: string, value: Buffer): Buffer;
  /**
   * The value in stored bytes; `stale` when they are not as `encrypt` would write them now. Throws
   * EncryptionError when no provider can read them.
   */
  decrypt(key: string, stored: Buffer): { value: Buffer; stale: boolean };
  /**
   * Gets the keys that `decrypt` needs for these bytes, where that takes time; undefined where it
   * needs none. Rejects with EncryptionError when they cannot be asked for now.
   */
  prepare?(stored: readonly Buffer[]): Promise<void> | undefined;
}

/** Values stored as they are. */
export const PLAIN: ValueEncryption = {
  encrypt: (_key, value) => value,
  decrypt: (_key, value) => ({ value, stale: false }),
};
