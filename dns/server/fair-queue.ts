import { QUERIES_PER_TURN, WAITING_MAX, WAITING_PER_CLIENT_MAX } from "../limits.ts";

/**
 * Queries that wait, which leave in rotation of their clients, addresses: one that sends more than
 * is served loses its own, and delays those of others by one.
 */
export class FairQueue<T> {
  /** The first client is the next; none has no query. */
  readonly #waiting = new Map<string, T[]>();
  #length = 0;

  /** Adds a query of a client unless there are too many, of that one or in all. */
  push(client: string, query: T): void {
    const own = this.#waiting.get(client) ?? [];
    if (own.length >= WAITING_PER_CLIENT_MAX || this.#length >= WAITING_MAX) return;
    own.push(query);
    this.#waiting.set(client, own);
    this.#length++;
  }

  shift(): T | undefined {
    for (const [client, [next, ...later]] of this.#waiting) {
      this.#waiting.delete(client);
      if (later.length > 0) this.#waiting.set(client, later);
      this.#length--;
      return next;
    }
    return undefined;
  }
}

/** Queries that are answered in rotation of their clients, some in each turn of the event loop. */
export class FairTurns {
  readonly #waiting = new FairQueue<() => void>();
  #isServing = false;

  /** Calls `answer` in a later turn, unless too many of the client's or of all wait. */
  push(client: string, answer: () => void): void {
    this.#waiting.push(client, answer);
    if (!this.#isServing) setImmediate(() => this.#serve());
    this.#isServing = true;
  }

  #serve(): void {
    for (let served = 0; served < QUERIES_PER_TURN; served++) {
      const next = this.#waiting.shift();
      if (!next) return void (this.#isServing = false);
      next();
    }
    setImmediate(() => this.#serve());
  }
}
