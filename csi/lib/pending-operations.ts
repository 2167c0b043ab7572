import { aborted } from "./errors.ts";

/**
 * One operation at a time on one volume. The spec lets a plugin answer ABORTED while an operation
 * is pending and has the caller try again, so nothing queues here (CSI spec, "Error Scheme").
 */
export class PendingOperations {
  readonly #keys = new Set<string>();

  /** Runs `operation` while holding all `keys`; throws ABORTED when one of them is held. */
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
