/** Lists and maps that expressions make. Growing ones share storage, so that folds are linear. */

import { error } from "./failures.ts";
import { isError, ListValue, MapValue, type Outcome, Uint, type Value } from "./value.ts";

/** The values at the start of a buffer that later concatenations may extend. */
class GrowingList extends ListValue {
  readonly #buffer: Value[];
  override readonly size: number;

  constructor(buffer: Value[]) {
    super();
    this.#buffer = buffer;
    this.size = buffer.length;
  }

  override at(index: number): Value {
    return this.#buffer[index]!;
  }

  /** Whether appending copies nothing. */
  get isOpen(): boolean {
    return this.#buffer.length === this.size;
  }

  /** The list and more values; takes over the buffer if no other list has. */
  append(values: ListValue): ListValue {
    const buffer = this.isOpen ? this.#buffer : this.#buffer.slice(0, this.size);
    for (let index = 0; index < values.size; index++) buffer.push(values.at(index));
    return new GrowingList(buffer);
  }
}

export function concat(a: ListValue, b: ListValue): Outcome {
  if (a.concat !== undefined) return a.concat(b);
  if (a.size === 0) return b;
  if (b.size === 0) return a;
  return a instanceof GrowingList ? a.append(b) : new GrowingList([...a]).append(b);
}

/** Steps of a concatenation: the items that it copies. */
export function concatSteps(args: readonly Value[]): number {
  const [a, b] = args as [ListValue, ListValue];
  return (a instanceof GrowingList && a.isOpen ? 0 : a.size) + b.size;
}

type Key = string | boolean | bigint | number;

/** The form under which keys that are equal are found; undefined for no key. */
function keyOf(value: Value): Key | undefined {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "bigint":
      return value;
    case "number":
      return Number.isInteger(value) ? BigInt(value) : value;
    default:
      return value instanceof Uint ? value.value : undefined;
  }
}

type Cell = { readonly key: Value; readonly value: Value; readonly index: number };

/** The first `size` entries of a table that later insertions may extend. */
export class TableMap extends MapValue {
  readonly #cells: Map<Key, Cell>;
  override readonly size: number;

  private constructor(cells: Map<Key, Cell>, size: number) {
    super();
    this.#cells = cells;
    this.size = size;
  }

  /** The map of entries, of which later ones replace earlier ones. */
  static of(entries: Iterable<readonly [Value, Value]>): TableMap | undefined {
    const cells = new Map<Key, Cell>();
    for (const [key, value] of entries) {
      const form = keyOf(key);
      if (form === undefined) return undefined;
      cells.set(form, { key, value, index: cells.get(form)?.index ?? cells.size });
    }
    return new TableMap(cells, cells.size);
  }

  override get(key: Value): Value | undefined {
    const form = keyOf(key);
    const cell = form === undefined ? undefined : this.#cells.get(form);
    return cell === undefined || cell.index >= this.size ? undefined : cell.value;
  }

  override *keys(): Generator<Value> {
    for (const { key, index } of this.#cells.values()) if (index < this.size) yield key;
  }

  /** The map and one entry more; undefined for a key of another type than keys have. */
  with(key: Value, value: Value): TableMap | undefined {
    const form = keyOf(key);
    if (form === undefined) return undefined;
    const isLast = this.#cells.size === this.size && this.size > 0;
    const cells = isLast
      ? this.#cells
      : new Map([...this.#cells].filter(([, { index }]) => index < this.size));
    cells.set(form, { key, value, index: this.size });
    return new TableMap(cells, this.size + 1);
  }
}

/** `cel.@mapInsert`: the map and an entry more, whose key must be new. */
export function insert(map: MapValue, key: Value, value: Value): Outcome {
  if (map.get(key) !== undefined) return error(`insert failed: key ${keyText(key)} already exists`);
  const table = map instanceof TableMap ? map : TableMap.of(entriesOf(map));
  return table?.with(key, value) ?? error("unsupported key type");
}

/** `cel.@mapInsert`: the map and all entries of another. */
export function insertAll(map: MapValue, more: MapValue): Outcome {
  let result: Outcome = map;
  for (const [key, value] of entriesOf(more)) {
    result = insert(result as MapValue, key, value);
    if (isError(result)) return result;
  }
  return result;
}

function* entriesOf(map: MapValue): Generator<readonly [Value, Value]> {
  for (const key of map.keys()) yield [key, map.get(key)!];
}

/** A key as errors show it. */
export const keyText = (key: Value): string => (key instanceof Uint ? `${key.value}` : String(key));
