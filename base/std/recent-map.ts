/**
 * A map of so many entries at most: for another one it forgets the one that was set longest ago.
 * An entry that is set again is the most recent.
 */
export class RecentMap<K, V> extends Map<K, V> {
  readonly #entries_max: number;
  readonly #forgotten: (value: V) => void;

  /** `forgotten` gets the value of an entry that had to go. */
  constructor(entries_max: number, forgotten: (value: V) => void = () => undefined) {
    super();
    this.#entries_max = entries_max;
    this.#forgotten = forgotten;
  }

  override set(key: K, value: V): this {
    this.delete(key);
    super.set(key, value);
    if (this.size <= this.#entries_max) return this;
    for (const [oldest, forgotten] of this) {
      this.delete(oldest);
      this.#forgotten(forgotten);
      break;
    }
    return this;
  }
}
