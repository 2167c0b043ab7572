/** A binary heap with lookup and removal by key. `pop` returns the smallest item by `before`. */
export class Heap<T> {
  readonly #key: (item: T) => string;
  readonly #before: (a: T, b: T) => boolean;
  readonly #items: T[] = [];
  readonly #positions = new Map<string, number>();

  constructor(key: (item: T) => string, before: (a: T, b: T) => boolean) {
    this.#key = key;
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  has(key: string): boolean {
    return this.#positions.has(key);
  }

  get(key: string): T | undefined {
    const position = this.#positions.get(key);
    return position === undefined ? undefined : this.#items[position];
  }

  /** Returns the first item without removing it. */
  peek(): T | undefined {
    return this.#items[0];
  }

  /** Adds an item; replaces one with the same key. */
  push(item: T): void {
    this.remove(this.#key(item));
    this.#items.push(item);
    this.#positions.set(this.#key(item), this.#items.length - 1);
    this.#up(this.#items.length - 1);
  }

  pop(): T | undefined {
    const first = this.#items[0];
    if (first !== undefined) this.remove(this.#key(first));
    return first;
  }

  remove(key: string): T | undefined {
    const position = this.#positions.get(key);
    if (position === undefined) return undefined;
    const item = this.#items[position];
    const last = this.#items.pop();
    this.#positions.delete(key);
    if (last !== undefined && last !== item) {
      this.#put(last, position);
      this.#up(position);
      this.#down(this.#positions.get(this.#key(last)) ?? position);
    }
    return item;
  }

  values(): T[] {
    return [...this.#items];
  }

  #put(item: T, position: number): void {
    this.#items[position] = item;
    this.#positions.set(this.#key(item), position);
  }

  #up(start: number): void {
    let position = start;
    while (position > 0) {
      const parent = (position - 1) >> 1;
      if (!this.#swapIfBefore(position, parent)) return;
      position = parent;
    }
  }

  #down(start: number): void {
    let position = start;
    for (;;) {
      const left = 2 * position + 1;
      const [a, b] = [this.#items[left], this.#items[left + 1]];
      if (a === undefined) return;
      const child = b !== undefined && this.#before(b, a) ? left + 1 : left;
      if (!this.#swapIfBefore(child, position)) return;
      position = child;
    }
  }

  #swapIfBefore(lower: number, upper: number): boolean {
    const [a, b] = [this.#items[lower], this.#items[upper]];
    if (a === undefined || b === undefined || !this.#before(a, b)) return false;
    this.#put(a, upper);
    this.#put(b, lower);
    return true;
  }
}
