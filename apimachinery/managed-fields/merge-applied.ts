import { isObject, type Json, type JsonObject, memberOf, setMember } from "../json/json.ts";
import { FieldSet } from "./field-set.ts";
import { isVoid } from "./ownership.ts";
import { nameOf, type Part, type Place, partsOf } from "./place.ts";

/** `applied` laid over `live`: what it sets is as it says, all else stays. */
export function mergeApplied(place: Place, live: Json, applied: Json): Json {
  const parts = partsOf(place, applied);
  // Null sets nothing: what others have in a map or a list of parts stays.
  if (applied === null && partsOf(place, live)?.length) return live;
  if (parts === undefined || live === undefined) return applied;
  if (isObject(applied)) {
    const result: JsonObject = isObject(live) ? { ...live } : {};
    for (const { element, place: within, value } of parts) {
      const name = nameOf(element);
      setMember(result, name, mergeApplied(within, memberOf(result, name), value));
    }
    return result;
  }
  return mergeItems(partsOf(place, live) ?? [], parts);
}

/**
 * Applied items come in their own order. Those of the live list alone come before the applied item
 * that they stood before, as structured-merge-diff's `visitListItems` has it.
 */
function mergeItems(live: readonly Part[], applied: readonly Part[]): Json[] {
  const values = new Map<string, Json>();
  for (const { element, value } of live) {
    // Of an item that stands twice nothing is kept.
    values.set(element, values.has(element) ? undefined : value);
  }
  const wanted = new Set(applied.map(({ element }) => element));
  const shared = [...wanted].filter((element) => values.has(element));
  const result: Json[] = [];
  let next = 0;
  let at = 0;
  const takeLiveUpTo = (stop: string | undefined) => {
    for (; at < live.length && live[at]!.element !== stop; at++) {
      if (!wanted.has(live[at]!.element)) result.push(live[at]!.value);
    }
  };
  for (const { element, place, value } of applied) {
    takeLiveUpTo(shared[next]);
    if (element === shared[next]) next++;
    result.push(mergeApplied(place, values.get(element), value));
  }
  takeLiveUpTo(undefined);
  return result;
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
    // A structure goes with what is filled in, such as the period of a probe, and stays for any
    // part that another owns. An item stays for another that owns it, not for parts of it.
    const isNamed = part.place.field !== undefined;
    const isShared = isNamed ? shared?.empty === false : shared?.member === true;
    if ((isNamed || leaving.member) && !isShared) return [];
    const left = prune(part.place, part.value, leaving, shared ?? new FieldSet());
    // A container without its last field is removed too, unless another manager owns it; upstream
    // counts an empty list of a structure for none.
    const stays = shared?.member && !(isNamed && Array.isArray(left));
    return isVoid(left) && !isVoid(part.value) && !stays ? [] : [{ ...part, value: left }];
  });
  if (Array.isArray(value)) return kept.map((part) => part.value);
  const result: JsonObject = {};
  for (const { element, value: each } of kept) setMember(result, nameOf(element), each);
  return result;
}
