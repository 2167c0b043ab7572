import { assert } from "@raft2kube/std/assert.ts";

/** The change of one name's value; undefined: the name had, or has, no owner. */
export type Difference = { name: string; was: string | undefined; is: string | undefined };

/** The owner whose value applies, and the values of later ones; few names have any. */
type Owned = { owner: string; value: string; waiting: Map<string, string> | undefined };

/**
 * Names with values and their owners. If several owners acquire a name, the value of the first
 * applies until that one releases it, so that a second Service cannot take over a node port.
 * Owners with equal values share the name.
 */
export class Ownership {
  readonly #names = new Map<string, Owned>();
  readonly #touched = new Map<string, string | undefined>();

  /** Releases an owner's names. Those in `again` keep their position: it acquires them next. */
  release(owner: string, names: Iterable<string>, again: ReadonlyMap<string, string>): void {
    for (const name of names) {
      const owned = this.#names.get(name);
      const isOwner = owned?.owner === owner || owned?.waiting?.has(owner) === true;
      assert(isOwner, `${owner} does not own ${name}`);
      this.#touch(name, owned);
      if (owned && !again.has(name)) this.#drop(owner, name, owned);
    }
  }

  #drop(owner: string, name: string, owned: Owned): void {
    if (owned.owner !== owner) return void owned.waiting?.delete(owner);
    const next = owned.waiting?.entries().next().value;
    if (!next) return void this.#names.delete(name);
    [owned.owner, owned.value] = next;
    owned.waiting?.delete(owned.owner);
  }

  acquire(owner: string, wanted: ReadonlyMap<string, string>): void {
    for (const [name, value] of wanted) {
      const owned = this.#names.get(name);
      this.#touch(name, owned);
      if (!owned) this.#names.set(name, { owner, value, waiting: undefined });
      else if (owned.owner === owner) owned.value = value;
      else {
        // One text for all: a firewall's has 30 kB, and thousands of ports own it.
        const shared = value === owned.value ? owned.value : value;
        (owned.waiting ??= new Map()).set(owner, shared);
      }
    }
  }

  /** Returns the changes since the last call. */
  take(): Difference[] {
    const differences: Difference[] = [];
    for (const [name, was] of this.#touched) {
      const is = this.#names.get(name)?.value;
      if (was !== is) differences.push({ name, was, is });
    }
    this.#touched.clear();
    return differences;
  }

  /** Returns the owner of a name that `claimant` acquired with another value than applies. */
  conflictingOwner(name: string, claimant: string): string | undefined {
    const owned = this.#names.get(name);
    if (!owned || owned.owner === claimant) return undefined;
    return owned.waiting?.get(claimant) === owned.value ? undefined : owned.owner;
  }

  /** Returns the names with the values that apply. */
  *applied(): Iterable<[name: string, value: string]> {
    for (const [name, { value }] of this.#names) yield [name, value];
  }

  #touch(name: string, owned: Owned | undefined): void {
    if (!this.#touched.has(name)) this.#touched.set(name, owned?.value);
  }
}
