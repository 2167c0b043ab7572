import { namespaceOf } from "./keys-in-turn.ts";

/**
 * The keys that workers have, each once. Of so many workers a namespace gets one more only while
 * more than it has are left: one alone has half of them, and the next half of the rest, so that
 * slow work of some namespaces leaves workers to others. Keys without a namespace may have all.
 */
export class ActiveKeys extends Set<string> {
  readonly #workers: number;
  readonly #ofNamespace = new Map<string, number>();

  constructor(workers: number) {
    super();
    this.#workers = workers;
  }

  /** Whether a worker that is left may have a key of a namespace. */
  mayHave(namespace: string): boolean {
    if (namespace === "") return true;
    return (this.#ofNamespace.get(namespace) ?? 0) < this.#workers - this.size;
  }

  override add(key: string): this {
    if (!this.has(key)) this.#count(key, 1);
    return super.add(key);
  }

  override delete(key: string): boolean {
    if (this.has(key)) this.#count(key, -1);
    return super.delete(key);
  }

  #count(key: string, by: 1 | -1): void {
    const namespace = namespaceOf(key);
    const count = (this.#ofNamespace.get(namespace) ?? 0) + by;
    if (count > 0) this.#ofNamespace.set(namespace, count);
    else this.#ofNamespace.delete(namespace);
  }
}
