/** A copy of a set of calls: all below word `from`, and those that the words from there on name. */
export type PlacedCalls = { readonly from: number; readonly words: readonly number[] };

/**
 * The calls that have a place in the order, as a bit for each. Nearly all up to some point have
 * one, so a copy leaves out the words before it. The hash is kept up with each change.
 */
export class PlacedSet {
  readonly #words: Int32Array;
  /** Words before this one are full. */
  #from = 0;
  /** Words from this one on are empty. */
  #end = 0;
  hash = 0;

  constructor(size: number) {
    this.#words = new Int32Array((size >> 5) + 1);
  }

  add(call: number): void {
    const word = call >> 5;
    this.#words[word]! |= 1 << (call & 31);
    this.hash ^= scrambled(call);
    this.#end = Math.max(this.#end, word + 1);
    while (this.#words[this.#from] === FULL) this.#from++;
  }

  remove(call: number): void {
    const word = call >> 5;
    this.#words[word]! &= ~(1 << (call & 31));
    this.hash ^= scrambled(call);
    this.#from = Math.min(this.#from, word);
    while (this.#end > 0 && this.#words[this.#end - 1] === 0) this.#end--;
  }

  copy(): PlacedCalls {
    const words: number[] = [];
    for (let word = this.#from; word < this.#end; word++) words.push(this.#words[word]!);
    return { from: this.#from, words };
  }

  equals({ from, words }: PlacedCalls): boolean {
    if (from !== this.#from || from + words.length !== Math.max(from, this.#end)) return false;
    for (let i = 0; i < words.length; i++) {
      if (words[i] !== this.#words[from + i]) return false;
    }
    return true;
  }
}

const FULL = -1;

/** 32 bits that look random for each number (the finalizer of MurmurHash3). */
export function scrambled(number: number): number {
  let hash = number + 1;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
