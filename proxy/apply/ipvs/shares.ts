import { IPVS_ENTRIES_OF_NAMESPACE, IPVS_SET_ENTRIES_MAX } from "../../limits.ts";
import { NamespaceParts, namespaceOf } from "../namespace-parts.ts";
import type { Wanted } from "./wanted.ts";

/** Functions that make the entries of a port: thousands, which are kept of served ports alone. */
export type WantedChanges = ReadonlyMap<string, (() => Wanted) | undefined>;

interface Waiting {
  size: number;
  make: () => Wanted;
}

/**
 * Divides the kernel's sets among namespaces. A Service port beyond the part of its namespace, or
 * beyond what all may have together, is not served until others have left; those that came earlier
 * keep theirs. No set is ever full, which would stop the changes of all. Pure.
 */
export class NamespaceShares {
  readonly #parts = new NamespaceParts(IPVS_ENTRIES_OF_NAMESPACE, IPVS_SET_ENTRIES_MAX);
  /** The ports that are left out, by namespace. */
  readonly #waiting = new Map<string, Map<string, Waiting>>();

  /**
   * Returns the changes with undefined for ports that are left out, and with the ports that have
   * their part now; and the ports that are left out since.
   */
  change(changes: WantedChanges): { admitted: Map<string, Wanted | undefined>; refused: string[] } {
    const admitted = new Map<string, Wanted | undefined>();
    const refused: string[] = [];
    const before = this.#parts.all;
    const namespaces = new Set([...changes.keys()].map(namespaceOf));
    // Before others, which would take the part of a port whose endpoints change.
    const [served = [], others = []] = [true, false].map((isServed) =>
      [...changes].filter(([key]) => this.#parts.has(key) === isServed),
    );
    for (const [key] of served) this.#parts.count(key, undefined);
    for (const [key, make] of [...served, ...others]) {
      const waiting = this.#waitingIn(namespaceOf(key));
      const wanted = make?.();
      const size = wanted?.entries.length ?? 0;
      const fits = this.#parts.count(key, wanted && size);
      admitted.set(key, fits ? wanted : undefined);
      if (!fits && !waiting.has(key)) refused.push(key);
      if (fits || !make) waiting.delete(key);
      else waiting.set(key, { size, make });
    }
    const freed = this.#parts.all < before ? this.#waiting.keys() : [];
    for (const namespace of new Set([...namespaces, ...freed])) {
      const waiting = this.#waitingIn(namespace);
      for (const [key, { size, make }] of waiting) {
        if (!this.#parts.count(key, size)) continue;
        waiting.delete(key);
        admitted.set(key, make());
      }
      if (waiting.size === 0) this.#waiting.delete(namespace);
    }
    return { admitted, refused: refused.filter((key) => admitted.get(key) === undefined) };
  }

  #waitingIn(namespace: string): Map<string, Waiting> {
    const waiting = this.#waiting.get(namespace) ?? new Map<string, Waiting>();
    this.#waiting.set(namespace, waiting);
    return waiting;
  }
}
