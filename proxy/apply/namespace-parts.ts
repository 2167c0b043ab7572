/** The part of one namespace is kept for these: other namespaces leave it together. */
const RESERVED_FOR: readonly string[] = ["default", "kube-system"];

/**
 * Divides a number of objects among the Service ports of namespaces, by their keys; those that came
 * earlier keep theirs. Pure.
 */
export class NamespaceParts {
  readonly #ofNamespace: number;
  readonly #most: number;
  /** Objects of each port that has its part. */
  readonly #sizes = new Map<string, number>();
  /** Objects of the ports of each namespace that has some. */
  readonly #totals = new Map<string, number>();
  #all = 0;
  /** Objects of the namespaces for which no part is kept. */
  #unreserved = 0;

  /** A namespace has at most `ofNamespace` objects, all together `most`. */
  constructor(ofNamespace: number, most: number) {
    this.#ofNamespace = ofNamespace;
    this.#most = most;
  }

  /** Objects of all ports. */
  get all(): number {
    return this.#all;
  }

  has(key: string): boolean {
    return this.#sizes.has(key);
  }

  /** Replaces what a port counts; false, and it counts nothing, where that is beyond the part. */
  count(key: string, size: number | undefined): boolean {
    const namespace = namespaceOf(key);
    const before = this.#sizes.get(key) ?? 0;
    const others = (this.#totals.get(namespace) ?? 0) - before;
    const isReserved = RESERVED_FOR.includes(namespace);
    const growth = (size ?? 0) - before;
    const fits =
      size === undefined ||
      (others + size <= this.#ofNamespace &&
        this.#all + growth <= this.#most &&
        (isReserved || this.#unreserved + growth <= this.#most - this.#ofNamespace));
    const total = fits ? others + (size ?? 0) : others;
    this.#all += total - others - before;
    if (!isReserved) this.#unreserved += total - others - before;
    if (total > 0) this.#totals.set(namespace, total);
    else this.#totals.delete(namespace);
    if (fits && size !== undefined) this.#sizes.set(key, size);
    else this.#sizes.delete(key);
    return fits;
  }
}

/** Returns the namespace of a Service port's key. */
export const namespaceOf = (key: string) => key.slice(0, Math.max(0, key.indexOf("/")));
