import { isDeepStrictEqual } from "node:util";
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
  if (order === undefined) return result;
  const wanted = order.map((item) => (isObject(item) ? item[key] : item));
  const patched = new Set(items.map((item) => JSON.stringify(item[key])));
  return ordered(
    result,
    wanted,
    (item) => item[key],
    (id) => patched.has(JSON.stringify(id)),
  );
}

function keyed(item: Json, key: string): JsonObject {
  if (!isObject(item)) throw badRequest(`an item of a list merged by ${key} is no object`);
  const directive = item[DIRECTIVES.patch];
  if (!Object.hasOwn(item, key) && directive !== "replace") {
    throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
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
  if (order === undefined) return result;
  const patched = new Set(patch.map((item) => JSON.stringify(item)));
  return ordered(
    result,
    order,
    (item) => item,
    (id) => patched.has(JSON.stringify(id)),
  );
}

/**
 * Items in the wished order; those only the server has keep their place after the item they
 * followed
 * (upstream's normalizeElementOrder).
 */
function ordered<T>(
  items: readonly T[],
  wanted: readonly Json[],
  idOf: (item: T) => Json,
  isPatched: (id: Json) => boolean,
): T[] {
  const place = new Map(wanted.map((id, index) => [JSON.stringify(id), index]));
  const placeOf = (item: T) => place.get(JSON.stringify(idOf(item)));
  const known = items.filter((item) => placeOf(item) !== undefined);
  known.sort((a, b) => placeOf(a)! - placeOf(b)!);
  const result: T[] = [...known];
  let previous: T | undefined;
  for (const item of items) {
    if (placeOf(item) === undefined) {
      // Only the server has it: behind whatever stood in front of it, else at the front.
      const at = previous === undefined || isPatched(idOf(item)) ? -1 : result.indexOf(previous);
      result.splice(isPatched(idOf(item)) ? result.length : at + 1, 0, item);
    }
    previous = item;
  }
  return result;
}
