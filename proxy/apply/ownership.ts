import { assert } from "@raft2kube/std/assert.ts";

/** The change of one name's value; undefined: the name had, or has, no owner. */
export interface Difference {
  name: string;
  was: string | undefined;
  is: string | undefined;
}

/**
 * Names with values and their owners. If several owners acquire a name, the value of the first
 * applies until that one releases it, so that a second Service cannot take over a node port.
 * Owners with equal values share the name.
 */
export class Ownership {
  readonly #owners = new Map<string, Map<string, string>>();
  readonly #touched = new Map<string, string | undefined>();

  /** Releases an owner's names. Those in `again` keep their position: it acquires them next. */
  release(owner: string, names: Iterable<string>, again: ReadonlyMap<string, string>): void {
    for (const name of names) {
      const values = this.#owners.get(name);
      assert(values?.has(owner) === true, `${owner} does not own ${name}`);
      this.#touch(name);
      if (!again.has(name)) values?.delete(owner);
    }
  }

  acquire(owner: string, wanted: ReadonlyMap<string, string>): void {
    for (const [name, value] of wanted) {
      this.#touch(name);
      const values = this.#owners.get(name);
      if (values) values.set(owner, value);
      else this.#owners.set(name, new Map([[owner, value]]));
    }
  }

  /** Returns the changes since the last call. */
  take(): Difference[] {
    const differences: Difference[] = [];
    for (const [name, was] of this.#touched) {
      const is = this.#valueOf(name);
      if (is === undefined) this.#owners.delete(name);
      if (was !== is) differences.push({ name, was, is });
    }
    this.#touched.clear();
    return differences;
  }

  /** Returns the owner whose value applies if it is not `value`. */
  conflictingOwner(name: string, value: string): string | undefined {
    const [owner, applied] = this.#owners.get(name)?.entries().next().value ?? [];
    return applied === value ? undefined : owner;
  }

  /** Returns the names with the values that apply. */
  *applied(): Iterable<[name: string, value: string]> {
    for (const [name, values] of this.#owners) {
      const [value] = values.values();
      if (value !== undefined) yield [name, value];
    }
  }

  #touch(name: string): void {
    if (!this.#touched.has(name)) this.#touched.set(name, this.#valueOf(name));
  }

  #valueOf(name: string): string | undefined {
    return this.#owners.get(name)?.values().next().value;
  }
}
