import { Fifo } from "@raft2kube/std/fifo.ts";

/**
 * A set of keys `NAMESPACE/NAME`, of which the first is that of each namespace in turn: one may
 * have a hundred thousand. Those of one namespace are in the order of their addition. The first is
 * found in constant time, where a Set passes over all that were removed before it.
 */
export class KeysInTurn implements Iterable<string> {
  readonly #keys = new Set<string>();
  /** Keys by namespace, also such as were removed and are not first. */
  readonly #namespaces = new Map<string, Fifo<string>>();
  /** Order of the namespaces. Invariant: each once, and the first has keys. */
  #order = new Fifo<string>();

  get size(): number {
    return this.#keys.size;
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  add(key: string): void {
    if (this.#keys.has(key)) return;
    this.#keys.add(key);
    const namespace = namespaceOf(key);
    let own = this.#namespaces.get(namespace);
    if (!own) {
      own = new Fifo();
      this.#namespaces.set(namespace, own);
      this.#order.push(namespace);
    }
    own.push(key);
  }

  /** Removes a key. If its namespace was first, it is then the last. */
  delete(key: string): void {
    if (!this.#keys.delete(key)) return;
    if (namespaceOf(key) === this.#order.first) this.#order.push(this.#order.shift()!);
    for (let first = this.#order.first; first !== undefined; first = this.#order.first) {
      const own = this.#namespaces.get(first)!;
      while (own.length > 0 && !this.#keys.has(own.first!)) own.shift();
      if (own.length > 0) return;
      this.#namespaces.delete(first);
      this.#order.shift();
    }
  }

  clear(): void {
    this.#keys.clear();
    this.#namespaces.clear();
    this.#order = new Fifo();
  }

  *[Symbol.iterator](): Generator<string> {
    for (const namespace of this.#order) {
      for (const key of this.#namespaces.get(namespace)!) if (this.#keys.has(key)) yield key;
    }
  }
}

/** Returns the part up to the slash; empty for a key without a namespace. */
function namespaceOf(key: string): string {
  return key.slice(0, Math.max(0, key.indexOf("/")));
}
