/** A binary heap that also finds and removes by key; the smallest by `before` comes out first. */
export class Heap<T> {
  readonly #key: (item: T) => string;
  readonly #before: (a: T, b: T) => boolean;
  readonly #items: T[] = [];
  readonly #places = new Map<string, number>();

  constructor(key: (item: T) => string, before: (a: T, b: T) => boolean) {
    this.#key = key;
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  has(key: string): boolean {
    return this.#places.has(key);
  }

  get(key: string): T | undefined {
    const place = this.#places.get(key);
    return place === undefined ? undefined : this.#items[place];
  }

  /** The first item, left in place. */
  peek(): T | undefined {
    return this.#items[0];
  }

  /** Adds an item, in place of one of the same key. */
  push(item: T): void {
    this.remove(this.#key(item));
    this.#items.push(item);
    this.#places.set(this.#key(item), this.#items.length - 1);
    this.#up(this.#items.length - 1);
  }

  pop(): T | undefined {
    const first = this.#items[0];
    if (first !== undefined) this.remove(this.#key(first));
    return first;
  }

  remove(key: string): T | undefined {
    const place = this.#places.get(key);
    if (place === undefined) return undefined;
    const item = this.#items[place];
    const last = this.#items.pop();
    this.#places.delete(key);
    if (last !== undefined && last !== item) {
      this.#put(last, place);
      this.#up(place);
      this.#down(this.#places.get(this.#key(last)) ?? place);
    }
    return item;
  }

  values(): T[] {
    return [...this.#items];
  }

  #put(item: T, place: number): void {
    this.#items[place] = item;
    this.#places.set(this.#key(item), place);
  }

  #up(start: number): void {
    let place = start;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.#swapIfBefore(place, parent)) return;
      place = parent;
    }
  }

  #down(start: number): void {
    let place = start;
    for (;;) {
      const left = 2 * place + 1;
      const [a, b] = [this.#items[left], this.#items[left + 1]];
      if (a === undefined) return;
      const child = b !== undefined && this.#before(b, a) ? left + 1 : left;
      if (!this.#swapIfBefore(child, place)) return;
      place = child;
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
