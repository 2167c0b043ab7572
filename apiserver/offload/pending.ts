/** Questions to another thread that wait for their answers, by number. */
export class Pending<A extends { readonly id: number }> {
  readonly #waiting = new Map<number, PromiseWithResolvers<A>>();
  #next = 0;

  get size(): number {
    return this.#waiting.size;
  }

  /** Sends a question under its number. Rejects with the reason of `end` if that comes first. */
  async ask(send: (id: number) => void): Promise<A> {
    const id = this.#next++;
    const waiting = Promise.withResolvers<A>();
    this.#waiting.set(id, waiting);
    try {
      send(id);
      return await waiting.promise;
    } finally {
      this.#waiting.delete(id);
    }
  }

  answer(answer: A): void {
    this.#waiting.get(answer.id)?.resolve(answer);
  }

  end(reason: Error): void {
    for (const { reject } of this.#waiting.values()) reject(reason);
  }
}
