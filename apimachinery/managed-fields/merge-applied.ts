import { isObject, type Json, type JsonObject, memberOf, setMember } from "../json/json.ts";
import { FieldSet } from "./field-set.ts";
import { isVoid } from "./ownership.ts";
import { nameOf, type Place, partsOf } from "./place.ts";

/** `applied` laid over `live`: what it sets is as it says, all else stays. */
export function mergeApplied(place: Place, live: Json, applied: Json): Json {
  const parts = partsOf(place, applied);
  if (parts === undefined || live === undefined) return applied;
  if (isObject(applied)) {
    const result: JsonObject = isObject(live) ? { ...live } : {};
    for (const { element, place: within, value } of parts) {
      const name = nameOf(element);
      setMember(result, name, mergeApplied(within, memberOf(result, name), value));
    }
    return result;
  }
  const merged = new Map((partsOf(place, live) ?? []).map((part) => [part.element, part.value]));
  for (const { element, place: within, value } of parts) {
    merged.set(element, mergeApplied(within, merged.get(element), value));
  }
  return [...merged.values()];
}

/**
 * Removes fields from a value unless another manager owns them. `others` are the fields of all
 * other managers: a field that they own, in whole or in part, stays.
 */
export function prune(place: Place, value: Json, gone: FieldSet, others: FieldSet): Json {
  const parts = partsOf(place, value);
  if (parts === undefined || gone.empty) return value;
  const kept = parts.flatMap((part) => {
    const leaving = gone.children.get(part.element);
    if (leaving === undefined) return [part];
    const shared = others.children.get(part.element);
    if (leaving.member && (shared === undefined || shared.empty)) return [];
    const left = prune(part.place, part.value, leaving, shared ?? new FieldSet());
    // A container without its last field is removed too, unless another manager owns it.
    const hollow = isVoid(left) && !isVoid(part.value) && !shared?.member;
    return hollow ? [] : [{ ...part, value: left }];
  });
  if (Array.isArray(value)) return kept.map((part) => part.value);
  const result: JsonObject = {};
  for (const { element, value: each } of kept) setMember(result, nameOf(element), each);
  return result;
}
