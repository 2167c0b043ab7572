import { type Owner, Shares } from "@raft2kube/std/shares.ts";

/** The part of one namespace is kept for these: other namespaces leave it together. */
const RESERVED_FOR: readonly string[] = ["default", "kube-system"];

/**
 * Divides a number of objects among the Service ports of namespaces, by their keys; those that came
 * earlier keep theirs. Pure.
 */
export class NamespaceParts {
  readonly #shares: Shares;
  readonly #each: number;
  /** Functions that give back the objects of each port that has its part. */
  readonly #taken = new Map<string, () => void>();

  /** A namespace has at most `each` objects, and all together `all`. */
  constructor(limits: { each: number; all: number }) {
    this.#each = limits.each;
    this.#shares = new Shares({ ...limits, reserved: limits.each });
  }

  /** Objects of all ports. */
  get taken(): number {
    return this.#shares.taken;
  }

  /** Replaces what a port counts; false, and it counts nothing, where that is beyond the part. */
  count(key: string, size: number | undefined): boolean {
    this.#taken.get(key)?.();
    this.#taken.delete(key);
    if (size === undefined) return true;
    const name = namespaceOf(key);
    const owner: Owner = RESERVED_FOR.includes(name) ? { name, may: "reserve" } : { name };
    // Shares would take one that is larger than the part of a namespace that has no other.
    if (size > this.#each || !this.#shares.fits(owner, size)) return false;
    this.#taken.set(key, this.#shares.take(owner, size));
    return true;
  }
}

/** Returns the namespace of a Service's key, or a port's. */
export const namespaceOf = (key: string) => key.slice(0, Math.max(0, key.indexOf("/")));
