/** How often something happened, and when it did last; undefined while it never did. */
type Happened = { readonly count: number; readonly last_ms: number | undefined };

const NEVER: Happened = { count: 0, last_ms: undefined };

/** How it went to read a configuration again. */
export class Reloads {
  #success = NEVER;
  #failure = NEVER;

  get success(): Happened {
    return this.#success;
  }

  get failure(): Happened {
    return this.#failure;
  }

  succeeded(now_ms: number): void {
    this.#success = { count: this.#success.count + 1, last_ms: now_ms };
  }

  failed(now_ms: number): void {
    this.#failure = { count: this.#failure.count + 1, last_ms: now_ms };
  }
}
