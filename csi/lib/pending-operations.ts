import { aborted } from "./errors.ts";

/**
 * Allows one operation at a time on one volume: others are answered ABORTED, and the caller retries
 * (CSI spec, "Error Scheme"). Nothing queues.
 */
export class PendingOperations {
  readonly #keys = new Set<string>();

  /**
   * Runs `operation` with all `keys` pending; throws ABORTED when an operation on one of them is
   * pending.
   */
  async run<R>(keys: readonly string[], operation: () => Promise<R>): Promise<R> {
    const pending = keys.find((key) => this.#keys.has(key));
    if (pending !== undefined) throw aborted(`an operation on ${pending} is already pending`);
    for (const key of keys) this.#keys.add(key);
    try {
      return await operation();
    } finally {
      for (const key of keys) this.#keys.delete(key);
    }
  }
}
