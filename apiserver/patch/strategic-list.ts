import { isDeepStrictEqual } from "node:util";
import { ApiError } from "../errors/api-error.ts";
import { badRequest } from "../errors/catalog.ts";
import { isObject, type Json, type JsonObject } from "./merge.ts";
import { DIRECTIVES, mergeStruct } from "./strategic.ts";

/**
 * Merges a list whose items are told apart by `key`: same key merges, new ones are added, `$patch:
 * delete`
 * removes, `$patch: replace` replaces the whole list. `order` is the client's wish for the items'
 * order.
 */
export function mergeKeyedList(
  key: string,
  schema: string | undefined,
  original: readonly Json[],
  patch: readonly Json[],
  order: readonly Json[] | undefined,
): Json[] {
  const items = patch.map((item) => keyed(item, key));
  const replaces = items.some((item) => item[DIRECTIVES.patch] === "replace");
  if (replaces) return items.filter((item) => item[DIRECTIVES.patch] !== "replace");
  const result: JsonObject[] = original.map((item) => keyed(item, key));
  for (const item of items) {
    const at = result.findIndex((each) => isDeepStrictEqual(each[key], item[key]));
    if (item[DIRECTIVES.patch] === "delete") {
      if (at >= 0) result.splice(at, 1);
    } else if (at >= 0) result[at] = mergeStruct(schema, result[at]!, item);
    else result.push(mergeStruct(schema, {}, item));
  }
  const idOf = (item: Json) => JSON.stringify(isObject(item) ? item[key] : item);
  return ordered(result, { idOf, patch: items, order: order ?? items, server: original });
}

function keyed(item: Json, key: string): JsonObject {
  if (!isObject(item)) throw badRequest(`an item of a list merged by ${key} is no object`);
  const directive = item[DIRECTIVES.patch];
  if (!Object.hasOwn(item, key) && directive !== "replace") {
    throw unfit(`map: ${goMap(item)} does not contain declared merge key: ${key}`);
  }
  return item;
}

/** Merges a list of plain values as a set: what is not there yet is added behind. */
export function mergeScalarList(
  original: readonly Json[],
  patch: readonly Json[],
  order: readonly Json[] | undefined,
): Json[] {
  const result = [...original];
  for (const item of patch) {
    if (!result.some((each) => isDeepStrictEqual(each, item))) result.push(item);
  }
  const idOf = (item: Json) => JSON.stringify(item);
  return ordered(result, { idOf, patch, order: order ?? patch, server: original });
}

interface Order {
  idOf(item: Json): string;
  patch: readonly Json[];
  /** The client's wish for the order of what the patch names. */
  order: readonly Json[];
  /** What was there, in its order. */
  server: readonly Json[];
}

/**
 * The items of the patch in the client's order, and among them those that only the server has: each
 * before the first that came behind it on the server, else at the end (upstream's
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
  for (const item of right) {
    const at = known.get(idOf(item));
    while (at !== undefined && left.length > 0 && placeIn(known, left[0]!) < at) {
      result.push(left.shift()!);
    }
    result.push(item);
  }
  return [...result, ...left];
}

/** 500 for a strategic patch that makes no sense, as upstream. */
export function unfit(message: string): ApiError {
  return new ApiError({ code: 500, reason: "", message });
}

/** An object as Go prints a map: `map[a:1 b:x]`. */
export function goMap(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(goMap).join(" ")}]`;
  if (!isObject(value)) return value === null ? "<nil>" : String(value);
  const members = Object.keys(value).sort().map((name) => `${name}:${goMap(value[name])}`);
  return `map[${members.join(" ")}]`;
}
