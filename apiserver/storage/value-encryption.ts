import { CodedError } from "@raft2kube/std/errors.ts";

/** A stored value that cannot be read. */
export class SealingError extends CodedError {
  override readonly name = "SealingError";

  constructor(message: string, options?: ErrorOptions) {
    super("SEALED", message, options);
  }
}

/** How the values of one kind lie in the store: as they are, or encrypted. */
export interface Sealing {
  /** The bytes to store under `key`. */
  seal(key: string, value: Buffer): Buffer;
  /**
   * The value in stored bytes; `stale` when they are not as `seal` would write them now. Throws
   * SealingError when no provider can read them.
   */
  open(key: string, stored: Buffer): { value: Buffer; stale: boolean };
}

/** Values stored as they are. */
export const PLAIN: Sealing = {
  seal: (_key, value) => value,
  open: (_key, value) => ({ value, stale: false }),
};
