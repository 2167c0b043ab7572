import { assert } from "@raft2kube/std/assert.ts";

/** How one name changed in a step: what counted before and what counts now; undefined: nothing. */
export interface Difference {
  name: string;
  was: string | undefined;
  is: string | undefined;
}

/**
 * Names that owners claim, each with a value. Several may claim one name; the first claim counts
 * until it is given up, so that a second Service cannot take over a node port. Claims of equal
 * value share.
 */
export class Claims {
  readonly #claims = new Map<string, Map<string, string>>();
  readonly #touched = new Map<string, string | undefined>();

  /** Gives up an owner's claims, except those it is about to make again: they keep their turn. */
  release(owner: string, names: Iterable<string>, again: ReadonlyMap<string, string>): void {
    for (const name of names) {
      const values = this.#claims.get(name);
      assert(values?.has(owner) === true, `the claim of ${owner} on ${name} is lost`);
      this.#touch(name);
      if (!again.has(name)) values?.delete(owner);
    }
  }

  claim(owner: string, claims: ReadonlyMap<string, string>): void {
    for (const [name, value] of claims) {
      this.#touch(name);
      const values = this.#claims.get(name);
      if (values) values.set(owner, value);
      else this.#claims.set(name, new Map([[owner, value]]));
    }
  }

  /** What changed since the last call. */
  take(): Difference[] {
    const differences: Difference[] = [];
    for (const [name, was] of this.#touched) {
      const is = this.#valueOf(name);
      if (is === undefined) this.#claims.delete(name);
      if (was !== is) differences.push({ name, was, is });
    }
    this.#touched.clear();
    return differences;
  }

  /** Who holds a name with another value than `value`. */
  holder(name: string, value: string): string | undefined {
    const [owner, held] = this.#claims.get(name)?.entries().next().value ?? [];
    return held === value ? undefined : owner;
  }

  #touch(name: string): void {
    if (!this.#touched.has(name)) this.#touched.set(name, this.#valueOf(name));
  }

  #valueOf(name: string): string | undefined {
    return this.#claims.get(name)?.values().next().value;
  }
}
