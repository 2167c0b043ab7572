/** Runs one operation at a time for each key, in the order of the calls. */
export class KeyedTurns {
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
