const NONE: ReadonlySet<string> = new Set();

/** Sets of keys by the name of their group, each in the order of its additions. */
export class Groups {
  /** No set is empty. */
  readonly #groups = new Map<string, Set<string>>();

  add(group: string, key: string): void {
    const keys = this.#groups.get(group);
    if (keys) keys.add(key);
    else this.#groups.set(group, new Set([key]));
  }

  delete(group: string, key: string): void {
    const keys = this.#groups.get(group);
    keys?.delete(key);
    if (keys?.size === 0) this.#groups.delete(group);
  }

  /** Returns the keys of a group; none if there is no such group. */
  of(group: string): ReadonlySet<string> {
    return this.#groups.get(group) ?? NONE;
  }

  /** Returns the names of the groups that have keys. */
  names(): Iterable<string> {
    return this.#groups.keys();
  }
}
