/**
 * Events that wait to be written, up to a number. Namespaces take turns, so that the events of one
 * that has many neither delay nor displace those of others; those of one namespace stay in order.
 */
export class PendingEvents<T> {
  readonly #most: number;
  /** The events of each namespace that has some; the first namespace is the next. */
  readonly #namespaces = new Map<string, T[]>();
  #size = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Adds an event. If there are too many, returns the newest of the namespace that has the most,
   * which is then left out.
   */
  add(namespace: string, event: T): T | undefined {
    const own = this.#namespaces.get(namespace) ?? [];
    own.push(event);
    this.#namespaces.set(namespace, own);
    this.#size++;
    if (this.#size <= this.#most) return undefined;
    let largest: [string, T[]] = [namespace, own];
    for (const each of this.#namespaces) if (each[1].length > largest[1].length) largest = each;
    return this.#taken(largest, largest[1].pop());
  }

  /** Takes the next event, the oldest of the namespace whose turn it is. */
  take(): T | undefined {
    const [next] = this.#namespaces;
    if (next === undefined) return undefined;
    const [namespace, own] = next;
    this.#namespaces.delete(namespace);
    this.#namespaces.set(namespace, own);
    return this.#taken(next, own.shift());
  }

  clear(): void {
    this.#namespaces.clear();
    this.#size = 0;
  }

  #taken([namespace, own]: [string, T[]], event: T | undefined): T | undefined {
    this.#size--;
    if (own.length === 0) this.#namespaces.delete(namespace);
    return event;
  }
}
