import { WAITING_MAX, WAITING_PER_CLIENT_MAX } from "../limits.ts";

/**
 * Datagrams that wait, which leave in rotation of their clients, addresses: one that sends more
 * than is served loses its own, and delays those of others by one.
 */
export class FairQueue<T> {
  /** The first client is the next; none has no datagram. */
  readonly #waiting = new Map<string, T[]>();
  #length = 0;

  /** Adds a datagram of a client unless there are too many, of that one or in all. */
  push(client: string, datagram: T): void {
    const own = this.#waiting.get(client) ?? [];
    if (own.length >= WAITING_PER_CLIENT_MAX || this.#length >= WAITING_MAX) return;
    own.push(datagram);
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
