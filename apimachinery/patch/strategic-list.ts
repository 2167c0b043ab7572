import { badRequest } from "../errors/catalog.ts";
import { isObject, type Json, type JsonObject } from "../json/json.ts";
import { DIRECTIVES, goMap, idOfValue, unfit } from "./directives.ts";

/**
 * Merges a list whose items are identified by `key`: same key merges, new ones are added, `$patch:
 * delete` removes, `$patch: replace` replaces the whole list. `order` is the client's wish for the
 * items' order, `merge` merges two items, `isAgain` if the patch had the same key before.
 */
export function mergeKeyedList(
  key: string,
  original: readonly Json[],
  patch: readonly Json[],
  order: readonly Json[] | undefined,
  merge: (original: JsonObject, patch: JsonObject, isAgain: boolean) => JsonObject,
): Json[] {
  const items = patch.map((item) => keyed(item, key));
  const replaces = items.some((item) => item[DIRECTIVES.patch] === "replace");
  if (replaces) return items.filter((item) => item[DIRECTIVES.patch] !== "replace");
  const idOf = (item: Json) => idOfValue(isObject(item) ? item[key] : item);
  const result = new KeyedItems(
    original.map((item) => keyed(item, key)),
    idOf,
  );
  const merged = new Set<string>();
  for (const item of items) {
    const at = result.placeOf(item);
    if (item[DIRECTIVES.patch] === "delete") {
      if (at !== undefined) result.remove(at, item);
      continue;
    }
    const id = idOf(item);
    if (at === undefined) result.add(merge({}, item, false));
    else result.items[at] = merge(result.items[at]!, item, merged.has(id));
    merged.add(id);
  }
  const left = result.items.filter((item) => item !== undefined);
  return ordered(left, { idOf, patch: items, order: order ?? items, server: original });
}

/** Items and where each key stands: a list of many must not be searched for each of a patch. */
class KeyedItems {
  /** Removed items leave their place empty. */
  readonly items: (JsonObject | undefined)[] = [];
  readonly #idOf: (item: Json) => string;
  /** Places of a key, the first one first: a list may have come with the same key twice. */
  readonly #places = new Map<string, number[]>();

  constructor(items: readonly JsonObject[], idOf: (item: Json) => string) {
    this.#idOf = idOf;
    for (const item of items) this.add(item);
  }

  placeOf(item: JsonObject): number | undefined {
    return this.#places.get(this.#idOf(item))?.[0];
  }

  add(item: JsonObject): void {
    const id = this.#idOf(item);
    const places = this.#places.get(id);
    if (places === undefined) this.#places.set(id, [this.items.length]);
    else places.push(this.items.length);
    this.items.push(item);
  }

  /** Takes out the first item with the key of `like`, which is at `at`. */
  remove(at: number, like: JsonObject): void {
    this.items[at] = undefined;
    this.#places.get(this.#idOf(like))!.shift();
  }
}

function keyed(item: Json, key: string): JsonObject {
  if (!isObject(item)) throw badRequest(`an item of a list merged by ${key} is no object`);
  const directive = item[DIRECTIVES.patch];
  if (!Object.hasOwn(item, key) && directive !== "replace") {
    throw unfit(`map: ${goMap(item)} does not contain declared merge key: ${key}`);
  }
  return item;
}

/** Merges a list of plain values as a set: missing values are appended. */
export function mergeScalarList(
  original: readonly Json[],
  patch: readonly Json[],
  order: readonly Json[] | undefined,
): Json[] {
  const result = [...original];
  const known = new Set(original.map(idOfValue));
  for (const item of patch) {
    const id = idOfValue(item);
    if (known.has(id)) continue;
    known.add(id);
    result.push(item);
  }
  return ordered(result, { idOf: idOfValue, patch, order: order ?? patch, server: original });
}

interface Order {
  idOf(item: Json): string;
  patch: readonly Json[];
  /** The order of items that the patch requests ($setElementOrder). */
  order: readonly Json[];
  /** The previous items, in their order. */
  server: readonly Json[];
}

/**
 * The items of the patch in the client's order, and among them those that only the server has: each
 * before the first that followed it on the server, else at the end (upstream's
 * normalizeElementOrder).
 */
function ordered<T extends Json>(items: readonly T[], { idOf, patch, order, server }: Order): T[] {
  const places = (list: readonly Json[]) => new Map(list.map((item, at) => [idOf(item), at]));
  const named = places(patch);
  const wished = places(order);
  const known = places(server);
  const placeIn = (list: Map<string, number>, item: T) => list.get(idOf(item)) ?? Infinity;
  const isOurs = (item: T) => named.has(idOf(item)) || wished.has(idOf(item));
  const right = items.filter(isOurs).sort((a, b) => placeIn(wished, a) - placeIn(wished, b));
  const left = items.filter((item) => !isOurs(item));
  const result: T[] = [];
  let taken = 0;
  for (const item of right) {
    const at = known.get(idOf(item));
    while (at !== undefined && taken < left.length && placeIn(known, left[taken]!) < at) {
      result.push(left[taken]!);
      taken++;
    }
    result.push(item);
  }
  for (; taken < left.length; taken++) result.push(left[taken]!);
  return result;
}
