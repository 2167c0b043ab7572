/**
 * Runs one operation at a time per volume of the node: staging is shared by its pods, so that the
 * last unpublish must not race with the next publish.
 */
export class VolumeTurns {
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs `operation` after all earlier ones of the same key, regardless of their outcome. */
  async run<R>(key: string, operation: () => Promise<R>): Promise<R> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const result = before.then(operation);
    const tail = result.then(
      () => undefined,
      () => undefined, // its own caller hears of it; the next one starts regardless
    );
    this.#tails.set(key, tail);
    try {
      return await result;
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
  }
}
