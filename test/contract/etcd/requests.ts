/** The requests of one stream, sent when a test wants. */
export class Requests<Q> implements AsyncIterable<Q> {
  readonly #waiting: Q[];
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(...first: Q[]) {
    this.#waiting = first;
  }

  send(request: Q): void {
    this.#waiting.push(request);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Q> {
    for (;;) {
      yield* this.#waiting.splice(0);
      if (this.#ended) return;
      if (this.#waiting.length > 0) continue;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
