import { Fifo } from "./fifo.ts";

/**
 * Items that wait, those of different owners in rotation: an owner that has many delays those of
 * others by one. Those of one owner stay in order.
 */
export class FairQueue<T> {
  /** Items by owner. Invariant: none is empty. */
  readonly #owners = new Map<string, Fifo<T>>();
  /** Each owner once, the next first: a Map would pass over all that were removed before it. */
  #order = new Fifo<string>();
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** How many owners have items that wait. */
  get owners(): number {
    return this.#owners.size;
  }

  /** How many items of an owner wait. */
  lengthOf(owner: string): number {
    return this.#owners.get(owner)?.length ?? 0;
  }

  push(owner: string, item: T): void {
    let own = this.#owners.get(owner);
    if (!own) {
      own = new Fifo();
      this.#owners.set(owner, own);
      this.#order.push(owner);
    }
    own.push(item);
    this.#length++;
  }

  /**
   * Adds an item. If more than `most` would wait, returns the newest of the owner that has the
   * most, which is left out.
   */
  pushWithin(most: number, owner: string, item: T): T | undefined {
    if (this.#length < most) return void this.push(owner, item);
    const longest = [...this.#owners.values()].reduce(longerOf, new Fifo());
    if (longest.length <= this.lengthOf(owner) + 1) return item;
    const newest = longest.pop();
    this.#length--;
    this.push(owner, item);
    return newest;
  }

  /**
   * Removes and returns the oldest item of the owner whose turn it is; owners that `may` refuses
   * are passed over.
   */
  shift(may: (owner: string) => boolean = () => true): T | undefined {
    for (let left = this.#order.length; left > 0; left--) {
      const owner = this.#order.shift()!;
      const own = this.#owners.get(owner)!;
      const isTaken = may(owner);
      if (!isTaken || own.length > 1) this.#order.push(owner);
      else this.#owners.delete(owner);
      if (!isTaken) continue;
      this.#length--;
      return own.shift();
    }
    return undefined;
  }

  clear(): void {
    this.#owners.clear();
    this.#order = new Fifo();
    this.#length = 0;
  }
}

const longerOf = <T>(a: Fifo<T>, b: Fifo<T>): Fifo<T> => (b.length > a.length ? b : a);
