/** Pairs the parts of a new value with those of the old one, for rules about changes. */
import { isDeepStrictEqual } from "node:util";
import { isObject, memberOf } from "@raft2kube/apimachinery/json/json.ts";
import { memberSchema } from "./defaults.ts";
import type { Structural } from "./structural.ts";

/**
 * A value, the one that it replaces, and their schema. Members of objects correspond by name, items
 * of lists of type `map` by their keys, items of other lists not at all (upstream's
 * CorrelatedObject).
 */
export class Correlated {
  readonly value: unknown;
  readonly old: unknown;
  readonly schema: Structural;
  #children: Map<string | number, Correlated | undefined> | undefined;
  #byKey: Map<string, unknown> | undefined;
  #same: boolean | undefined;

  constructor(value: unknown, old: unknown, schema: Structural) {
    this.value = value;
    this.old = old;
    this.schema = schema;
  }

  /** The pair of a member; undefined when there is no old one, or no schema for it. */
  key(name: string): Correlated | undefined {
    return this.#child(name, () => {
      if (!isObject(this.old) || !isObject(this.value)) return undefined;
      if (!Object.hasOwn(this.old, name) || !Object.hasOwn(this.value, name)) return undefined;
      const schema = this.schema.properties?.get(name) ?? memberSchema(this.schema);
      return schema && new Correlated(this.value[name], this.old[name], schema);
    });
  }

  /** The pair of an item: in a list of type `map` the old item of the same key, else none. */
  index(index: number): Correlated | undefined {
    // lab:21 begin index
    return this.#child(index, () => {
      const { items } = this.schema;
      if (!Array.isArray(this.value) || items === undefined) return undefined;
      const item: unknown = this.value[index];
      const key = this.#keyOf(item);
      const old = key === undefined ? undefined : this.#oldItems().get(key);
      return old === undefined ? undefined : new Correlated(item, old, items);
    });
    // lab:21 end
  }

  /** Whether nothing changed. */
  get same(): boolean {
    return (this.#same ??= this.#compare());
  }

  #child(key: string | number, make: () => Correlated | undefined): Correlated | undefined {
    this.#children ??= new Map();
    if (!this.#children.has(key)) this.#children.set(key, make());
    return this.#children.get(key);
  }

  /**
   * Whether both parts are equal. In a list of type `map` each item is compared with the old one of
   * its key, so that another order is no change.
   */
  #compare(): boolean {
    // lab:21 begin compare
    const { value, old } = this;
    if (Array.isArray(value) && Array.isArray(old)) {
      if (value.length !== old.length) return false;
      if (this.schema.listType !== "map") return isDeepStrictEqual(value, old);
      return value.every((_item, index) => this.index(index)?.same === true);
    }
    if (isObject(value) && isObject(old)) {
      const names = Object.keys(value);
      return (
        names.length === Object.keys(old).length &&
        names.every((name) => this.key(name)?.same === true)
      );
    }
    return isDeepStrictEqual(value, old);
    // lab:21 end
  }

  #oldItems(): ReadonlyMap<string, unknown> {
    if (this.#byKey !== undefined) return this.#byKey;
    const items = new Map<string, unknown>();
    for (const item of Array.isArray(this.old) ? (this.old as unknown[]) : []) {
      const key = this.#keyOf(item);
      if (key !== undefined && !items.has(key)) items.set(key, item);
    }
    return (this.#byKey = items);
  }

  #keyOf(item: unknown): string | undefined {
    const { listType, listKeys = [] } = this.schema;
    if (listType !== "map" || listKeys.length === 0 || !isObject(item)) return undefined;
    const values = listKeys.map((key) => memberOf(item, key));
    const scalar = values.every((each) => each !== undefined && typeof each !== "object");
    return scalar ? JSON.stringify(values) : undefined;
  }
}
