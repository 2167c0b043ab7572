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
    const own = this.#namespaces.get(namespace) ?? new Fifo();
    own.push(key);
    this.#namespaces.set(namespace, own);
  }

  /** Removes a key; the others of its namespace then come after those of other namespaces. */
  delete(key: string): void {
    if (!this.#keys.delete(key)) return;
    const namespace = namespaceOf(key);
    const own = this.#namespaces.get(namespace)!;
    while (own.length > 0 && !this.#keys.has(own.first!)) own.shift();
    this.#namespaces.delete(namespace);
    if (own.length > 0) this.#namespaces.set(namespace, own);
  }

  clear(): void {
    this.#keys.clear();
    this.#namespaces.clear();
  }

  *[Symbol.iterator](): Generator<string> {
    for (const own of this.#namespaces.values()) {
      for (const key of own) if (this.#keys.has(key)) yield key;
    }
  }
}

/** Returns the part up to the slash; empty for a key without a namespace. */
function namespaceOf(key: string): string {
  return key.slice(0, Math.max(0, key.indexOf("/")));
}
