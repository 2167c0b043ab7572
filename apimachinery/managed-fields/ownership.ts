import { isDeepStrictEqual } from "node:util";
import { isGivenEmpty } from "@raft2kube/api/codec/json.ts";
import { isObject, type Json } from "../json/json.ts";
import { FieldSet } from "./field-set.ts";
import { comparedPartsOf, type Part, type Place, partsOf } from "./place.ts";
import { isUnset } from "./unset.ts";

/** The fields that a value sets: its leaves, items of its lists, keys of its maps. */
export function fieldsSetBy(place: Place, value: Json): FieldSet {
  const into = new FieldSet();
  collect(place, value, into);
  return into;
}

function collect(place: Place, value: Json, into: FieldSet): void {
  const parts = partsOf(place, value);
  if (parts === undefined) {
    into.member = true;
    return;
  }
  for (const part of parts) {
    const child = into.child(part.element);
    collect(part.place, part.value, child);
    // Keys of maps, items of lists and fields without a schema are there by themselves.
    if (part.place.field === undefined || isHollow(part.value)) child.member = true;
  }
}

function isHollow(value: Json): boolean {
  return value === null || (isObject(value) && Object.keys(value).length === 0);
}

/** The fields in which `next` differs from `before`: those added or changed, and those gone. */
export type Difference = { changed: FieldSet; removed: FieldSet };

/** Compares as upstream's structured-merge-diff does: a new container is itself a field added. */
export function compare(place: Place, before: Json, next: Json): Difference {
  const comparison = new Comparison();
  comparison.walk(place, before, next);
  return comparison;
}

class Comparison implements Difference {
  readonly changed = new FieldSet();
  readonly removed = new FieldSet();
  readonly #path: string[] = [];

  walk(place: Place, before: Json, next: Json): void {
    if (before === undefined && next !== undefined) {
      return added(place, next, this.changed.at(this.#path));
    }
    const old = comparedPartsOf(place, before);
    const now = comparedPartsOf(place, next);
    // Values that are empty on both sides are leaves, so that changes are seen.
    if (!old?.length && !now?.length) return this.#leaf(before, next);
    // A value became one of another type, where the schema leaves the type open.
    const isOther = (old === undefined) !== (now === undefined);
    if (isOther && before !== null && next !== null) this.#leaf(before, next);
    if (place.shape.is === "list") this.#items(old ?? [], now ?? []);
    else this.#fields(old ?? [], now ?? []);
    if (next === undefined) this.removed.insert(this.#path);
  }

  #leaf(before: Json, next: Json): void {
    if (before === next) return;
    // A field that was null and is now empty was set by the writer.
    if (isGivenEmpty(next) && isUnset(before)) this.changed.insert(this.#path);
    else if (next === undefined) this.removed.insert(this.#path);
    else if (!isDeepStrictEqual(before, next)) this.changed.insert(this.#path);
  }

  #fields(old: readonly Part[], now: readonly Part[]): void {
    const known = new Map<string, Part>();
    for (const part of old) known.set(part.element, part);
    for (const part of now) {
      this.#step(part, known.get(part.element)?.value, part.value);
      known.delete(part.element);
    }
    for (const part of known.values()) this.#step(part, part.value, undefined);
  }

  #items(old: readonly Part[], now: readonly Part[]): void {
    const before = byElement(old);
    const next = byElement(now);
    for (const element of new Set([...before.keys(), ...next.keys()])) {
      this.#item(before.get(element) ?? [], next.get(element) ?? []);
    }
  }

  /** Items of one key. Several items of one key have no owners of parts: compared as a whole. */
  #item(before: readonly Part[], next: readonly Part[]): void {
    const part = next[0] ?? before[0]!;
    if (before.length <= 1 && next.length <= 1) {
      return this.#step(part, before[0]?.value, next[0]?.value);
    }
    const path = [...this.#path, part.element];
    if (before.length > 1 && next.length > 1) {
      if (!isDeepStrictEqual(valuesOf(before), valuesOf(next))) this.changed.insert(path);
    } else if (before.length > 1) {
      if (next.length > 0) this.#step(part, undefined, next[0]!.value);
      this.removed.insert(path);
    } else {
      if (before.length > 0) this.#step(part, before[0]!.value, undefined);
      this.changed.insert(path);
    }
  }

  #step(part: Part, before: Json, next: Json): void {
    this.#path.push(part.element);
    this.walk(part.place, before, next);
    this.#path.pop();
  }
}

/** Makes all of a value that was not there before members of `into`. */
function added(place: Place, value: Json, into: FieldSet): void {
  into.member = true;
  const parts = comparedPartsOf(place, value) ?? [];
  const doubled = place.shape.is === "list" ? doubledAmong(parts) : undefined;
  for (const part of parts) {
    const child = into.child(part.element);
    // Several items of one key have no owners of parts.
    if (doubled?.has(part.element)) child.member = true;
    else added(part.place, part.value, child);
  }
}

/** Elements that several parts have; undefined when there are none, as nearly always. */
function doubledAmong(parts: readonly Part[]): Set<string> | undefined {
  if (parts.length < 2) return undefined;
  if (new Set(parts.map(({ element }) => element)).size === parts.length) return undefined;
  const doubled = [...byElement(parts)].filter(([, { length }]) => length > 1);
  return new Set(doubled.map(([element]) => element));
}

function byElement(parts: readonly Part[]): Map<string, Part[]> {
  const found = new Map<string, Part[]>();
  for (const part of parts) {
    const same = found.get(part.element);
    if (same === undefined) found.set(part.element, [part]);
    else same.push(part);
  }
  return found;
}

const valuesOf = (parts: readonly Part[]): Json[] => parts.map((part) => part.value);

/** Whether a value has nothing in it. */
export function isVoid(value: Json): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return value === undefined || (isObject(value) && Object.keys(value).length === 0);
}
