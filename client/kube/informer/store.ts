import { type KubeObject, keyOf } from "../object/object.ts";

/** Returns the values under which an object is found (`spec.nodeName`, an owner's uid). */
export type IndexFunction<T> = (object: T) => string[];

/** An informer's objects for readers. They are shared: copy an object before you change it. */
export interface ReadStore<T> {
  get(key: string): T | undefined;
  list(): T[];
  /** All objects that an index files under `value`. */
  by(index: string, value: string): T[];
  readonly size: number;
}

/** Objects by key, with indexes kept as they change. */
export class ObjectStore<T extends KubeObject> implements ReadStore<T> {
  readonly #objects = new Map<string, T>();
  readonly #indexers = new Map<string, IndexFunction<T>>();
  readonly #indexes = new Map<string, Map<string, Map<string, T>>>();

  get size(): number {
    return this.#objects.size;
  }

  /** Adds an index over the present objects. Adding one of the same name again has no effect. */
  addIndex(name: string, indexer: IndexFunction<T>): void {
    if (this.#indexers.has(name)) return;
    this.#indexers.set(name, indexer);
    this.#indexes.set(name, new Map());
    for (const [key, object] of this.#objects) this.#file(name, indexer, key, object);
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  keys(): string[] {
    return [...this.#objects.keys()];
  }

  by(index: string, value: string): T[] {
    const files = this.#indexes.get(index);
    if (!files) throw new RangeError(`the store has no index ${index}`);
    return [...(files.get(value)?.values() ?? [])];
  }

  /** Puts an object in its place and gives the one that was there. */
  set(object: T): T | undefined {
    const key = keyOf(object);
    const old = this.delete(key);
    this.#objects.set(key, object);
    for (const [name, indexer] of this.#indexers) this.#file(name, indexer, key, object);
    return old;
  }

  /** Removes an object and gives it. */
  delete(key: string): T | undefined {
    const old = this.#objects.get(key);
    if (old === undefined) return undefined;
    this.#objects.delete(key);
    for (const [name, indexer] of this.#indexers) {
      const files = this.#indexes.get(name);
      for (const value of indexer(old)) {
        const file = files?.get(value);
        file?.delete(key);
        if (file?.size === 0) files?.delete(value);
      }
    }
    return old;
  }

  #file(name: string, indexer: IndexFunction<T>, key: string, object: T): void {
    const files = this.#indexes.get(name);
    for (const value of indexer(object)) {
      const file = files?.get(value);
      if (file) file.set(key, object);
      else files?.set(value, new Map([[key, object]]));
    }
  }
}
