import { isDeepStrictEqual } from "node:util";
import { isObject, type Json } from "../merge.ts";
import { FieldSet } from "./field-set.ts";
import { type Part, partsOf, type Place } from "./place.ts";

/** The fields that a value sets: its leaves, and the items of its lists. */
export function fieldsSetBy(place: Place, value: Json, into = new FieldSet()): FieldSet {
  const parts = partsOf(place, value);
  if (parts === undefined || parts.length === 0) {
    into.member = true;
    return into;
  }
  const declared = place.shape.is === "struct";
  for (const part of parts) {
    const child = fieldsSetBy(part.place, part.value, into.child(part.element));
    // Keys of maps and items of lists are there by themselves, whatever they hold.
    if (!declared) child.member = true;
  }
  return into;
}

/** The fields in which `next` differs from `before`: those added or changed, and those gone. */
export interface Difference {
  changed: FieldSet;
  removed: FieldSet;
}

export function compare(place: Place, before: Json, next: Json): Difference {
  const difference = { changed: new FieldSet(), removed: new FieldSet() };
  walk(place, before, next, difference.changed, difference.removed);
  return difference;
}

function walk(place: Place, before: Json, next: Json, changed: FieldSet, removed: FieldSet): void {
  const old = partsOf(place, before);
  const now = partsOf(place, next);
  if (old === undefined && now === undefined) {
    markLeaf(before, next, changed, removed);
    return;
  }
  if (before === undefined && isOptional(place)) changed.member = true;
  if (next === undefined) removed.member = true;
  const empty = (old ?? []).length === 0 && (now ?? []).length === 0;
  if (empty) return markLeaf(before, next, changed, removed);
  const known = new Map((old ?? []).map((part) => [part.element, part]));
  for (const part of now ?? []) {
    const other = known.get(part.element);
    known.delete(part.element);
    step(part, other?.value, part.value, changed, removed);
  }
  for (const part of known.values()) step(part, part.value, undefined, changed, removed);
}

function step(part: Part, before: Json, next: Json, changed: FieldSet, removed: FieldSet): void {
  const [into, gone] = [new FieldSet(), new FieldSet()];
  walk(part.place, before, next, into, gone);
  if (!into.empty) changed.children.set(part.element, into);
  if (!gone.empty) removed.children.set(part.element, gone);
}

function markLeaf(before: Json, next: Json, changed: FieldSet, removed: FieldSet): void {
  if (isDeepStrictEqual(before, next)) return;
  if (next === undefined) removed.member = true;
  else changed.member = true;
}

/** Containers that Go writes even when nothing is in them belong to nobody by being there. */
function isOptional(place: Place): boolean {
  return place.field === undefined || place.field.fact.omitempty === true;
}

/** Whether a value has nothing in it. */
export function isVoid(value: Json): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return value === undefined || (isObject(value) && Object.keys(value).length === 0);
}
