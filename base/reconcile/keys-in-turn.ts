import { FairQueue } from "@raft2kube/std/fair-queue.ts";

/** A set of keys `NAMESPACE/NAME` that wait, which leave in rotation of their namespaces. */
export class KeysInTurn {
  readonly #keys = new Set<string>();
  readonly #queue = new FairQueue<string>();
  readonly #mayHave: (namespace: string) => boolean;

  constructor(mayHave: (namespace: string) => boolean = () => true) {
    this.#mayHave = mayHave;
  }

  get size(): number {
    return this.#keys.size;
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  add(key: string): void {
    if (this.#keys.has(key)) return;
    this.#keys.add(key);
    this.#queue.push(namespaceOf(key), key);
  }

  /** Removes and returns the oldest key of the namespace whose turn it is, of those that may. */
  shift(): string | undefined {
    const key = this.#queue.shift(this.#mayHave);
    if (key !== undefined) this.#keys.delete(key);
    return key;
  }

  clear(): void {
    this.#keys.clear();
    this.#queue.clear();
  }
}

/** Returns the part up to the slash; empty for a key without a namespace. */
export const namespaceOf = (key: string): string => key.slice(0, Math.max(0, key.indexOf("/")));
