import { assert } from "./assert.ts";

const CHUNK_MAX = 512;
/** Keys that come in order fill chunks so far; the rest is for keys between them. */
const CHUNK_APPENDED_MAX = CHUNK_MAX - (CHUNK_MAX >> 3);

/**
 * Strings in order with a value each: sorted runs of bounded length, found by binary search. A
 * little slower to change than a tree, and several times smaller, which is what an index of every
 * key needs.
 */
export class OrderedMap<V> {
  #chunks: { keys: string[]; values: V[] }[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    const chunk = this.#chunks[this.#chunkOf(key)];
    if (!chunk) return undefined;
    const at = lowerBound(chunk.keys, key);
    return chunk.keys[at] === key ? chunk.values[at] : undefined;
  }

  set(key: string, value: V): void {
    this.update(key, () => value);
  }

  /** Puts what `next` makes of a key's value in its place, which is looked for once. */
  update(key: string, next: (value: V | undefined) => V): void {
    const position = Math.min(this.#chunkOf(key), this.#chunks.length - 1);
    const chunk = this.#chunks[position];
    if (!chunk) {
      this.#chunks.push({ keys: [key], values: [next(undefined)] });
      this.#size = 1;
      return;
    }
    const at = lowerBound(chunk.keys, key);
    if (chunk.keys[at] === key) {
      chunk.values[at] = next(chunk.values[at]);
      return;
    }
    chunk.keys.splice(at, 0, key);
    chunk.values.splice(at, 0, next(undefined));
    this.#size++;
    if (chunk.keys.length > CHUNK_MAX) this.#split(position);
  }

  /** Adds a key after all others, without looking for its place. */
  append(key: string, value: V): void {
    const last = this.#chunks.at(-1);
    assert(!last || last.keys.at(-1)! < key, () => `key ${key} is not behind all others`);
    this.#size++;
    if (last && last.keys.length < CHUNK_APPENDED_MAX) {
      last.keys.push(key);
      last.values.push(value);
    } else this.#chunks.push({ keys: [key], values: [value] });
  }

  delete(key: string): boolean {
    const position = this.#chunkOf(key);
    const chunk = this.#chunks[position];
    if (!chunk) return false;
    const at = lowerBound(chunk.keys, key);
    if (chunk.keys[at] !== key) return false;
    chunk.keys.splice(at, 1);
    chunk.values.splice(at, 1);
    if (chunk.keys.length === 0) this.#chunks.splice(position, 1);
    this.#size--;
    return true;
  }

  /**
   * Calls `visit` in order for keys in [from, to), to the end without `to`, until it returns
   * false.
   */
  visit(
    from: string,
    to: string | undefined,
    visit: (key: string, value: V) => boolean | undefined,
  ): void {
    let position = this.#chunkOf(from);
    let at = lowerBound(this.#chunks[position]?.keys ?? [], from);
    for (; position < this.#chunks.length; position++, at = 0) {
      const { keys, values } = this.#chunks[position]!;
      for (; at < keys.length; at++) {
        const key = keys[at]!;
        if (to !== undefined && key >= to) return;
        if (visit(key, values[at]!) === false) return;
      }
    }
  }

  /** The first chunk whose last key is not below `key`. */
  #chunkOf(key: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#chunks[middle]!.keys.at(-1)! < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #split(position: number): void {
    const chunk = this.#chunks[position]!;
    // Keys mostly arrive in order: at the end, leave the left part nearly full.
    const atEnd = position === this.#chunks.length - 1;
    const cut = atEnd ? CHUNK_APPENDED_MAX : CHUNK_MAX >> 1;
    const right = { keys: chunk.keys.slice(cut), values: chunk.values.slice(cut) };
    this.#chunks[position] = { keys: chunk.keys.slice(0, cut), values: chunk.values.slice(0, cut) };
    this.#chunks.splice(position + 1, 0, right);
  }
}

function lowerBound(keys: string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
