import { IPVS_ENTRIES_OF_NAMESPACE, IPVS_SET_ENTRIES_MAX } from "../../limits.ts";
import type { Wanted } from "./wanted.ts";

type Changes = ReadonlyMap<string, Wanted | undefined>;

/** The part of one namespace is kept for these: other namespaces leave it together. */
const RESERVED_FOR: readonly string[] = ["default", "kube-system"];

/**
 * Divides the kernel's sets among namespaces. A Service port beyond the part of its namespace, or
 * beyond what all may have together, is not served until others have left; those that came earlier
 * keep theirs. No set is ever full, which would stop the changes of all. Pure.
 */
export class NamespaceShares {
  /** Entries of each port that has its part. */
  readonly #sizes = new Map<string, number>();
  /** Entries of the ports of each namespace that has some. */
  readonly #totals = new Map<string, number>();
  /** Entries of all ports. */
  #all = 0;
  /** The ports that are left out, by namespace. */
  readonly #waiting = new Map<string, Map<string, Wanted>>();

  /**
   * Returns the changes with undefined for ports that are left out, and with the ports that have
   * their part now; and the ports that are left out since.
   */
  change(changes: Changes): { admitted: Map<string, Wanted | undefined>; refused: string[] } {
    const admitted = new Map<string, Wanted | undefined>();
    const refused: string[] = [];
    const before = this.#all;
    const namespaces = new Set([...changes.keys()].map(namespaceOf));
    for (const key of changes.keys()) this.#count(key, undefined);
    for (const [key, wanted] of changes) {
      const waiting = this.#waitingIn(namespaceOf(key));
      const fits = wanted === undefined || this.#count(key, wanted);
      admitted.set(key, fits ? wanted : undefined);
      if (!fits && !waiting.has(key)) refused.push(key);
      if (fits) waiting.delete(key);
      else waiting.set(key, wanted);
    }
    const freed = this.#all < before ? this.#waiting.keys() : [];
    for (const namespace of new Set([...namespaces, ...freed])) {
      const waiting = this.#waitingIn(namespace);
      for (const [key, wanted] of waiting) {
        if (!this.#count(key, wanted)) continue;
        waiting.delete(key);
        admitted.set(key, wanted);
      }
      if (waiting.size === 0) this.#waiting.delete(namespace);
    }
    return { admitted, refused: refused.filter((key) => admitted.get(key) === undefined) };
  }

  /** Replaces what a port counts; false, and it counts nothing, where that is beyond the part. */
  #count(key: string, wanted: Wanted | undefined): boolean {
    const namespace = namespaceOf(key);
    const before = this.#sizes.get(key) ?? 0;
    const others = (this.#totals.get(namespace) ?? 0) - before;
    const size = wanted?.entries.length ?? 0;
    const reserve = RESERVED_FOR.includes(namespace) ? 0 : IPVS_ENTRIES_OF_NAMESPACE;
    const fits =
      others + size <= IPVS_ENTRIES_OF_NAMESPACE &&
      this.#all - before + size <= IPVS_SET_ENTRIES_MAX - reserve;
    const total = fits ? others + size : others;
    this.#all += total - others - before;
    if (total > 0) this.#totals.set(namespace, total);
    else this.#totals.delete(namespace);
    if (fits && wanted) this.#sizes.set(key, size);
    else this.#sizes.delete(key);
    return fits;
  }

  #waitingIn(namespace: string): Map<string, Wanted> {
    const waiting = this.#waiting.get(namespace) ?? new Map<string, Wanted>();
    this.#waiting.set(namespace, waiting);
    return waiting;
  }
}

const namespaceOf = (key: string) => key.slice(0, Math.max(0, key.indexOf("/")));
