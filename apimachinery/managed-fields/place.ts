import {
  type Field,
  type ListRule,
  listRuleOf,
  type SchemaRef,
  type Shape,
  type Struct,
  structOf,
} from "@raft2kube/api/schema.ts";
import { badRequest } from "../errors/catalog.ts";
import { isObject, type Json, memberOf } from "../json/json.ts";
import { FieldSet } from "./field-set.ts";

/** A place in a kind's schema: what may stand there, and by which rule lists and maps merge. */
export interface Place {
  shape: Shape;
  /** The field that leads here; undefined for items of maps and lists and for the root. */
  field: Field | undefined;
}

/** The place of a whole object of a schema. */
export function rootPlace(schema: SchemaRef): Place {
  return { shape: { is: "struct", of: schema }, field: undefined };
}

/** A part of a value that can be owned by itself. */
export type Part = { element: string; place: Place; value: Json };

/** The parts of a value, or undefined when it is owned as a whole: scalars and atomic values. */
export function partsOf(place: Place, value: Json): Part[] | undefined {
  const { shape, field } = place;
  if (isAtomic(place)) return undefined;
  switch (shape.is) {
    case "scalar":
    case "special":
      return undefined;
    case "struct":
      return isObject(value) ? fieldsOf(structOf(shape.of), value) : undefined;
    case "map":
      return isObject(value) ? keysOf({ shape: shape.of, field: undefined }, value) : undefined;
    case "any":
      return isObject(value) ? keysOf({ shape, field: undefined }, value) : undefined;
    case "list": {
      const rule = shape.rule ?? (field && listRuleOf(field));
      return Array.isArray(value) && rule ? itemsOf(shape.of, rule, value) : undefined;
    }
  }
}

/** Whether all values of a place are owned as a whole. */
function isAtomic({ shape, field }: Place): boolean {
  switch (shape.is) {
    case "scalar":
    case "special":
      return true;
    case "any":
      return false;
    case "struct": {
      // A field's own facts take precedence over those of its structure.
      const own = field?.fact.map;
      return own === undefined ? structOf(shape.of).atomic : own === "atomic";
    }
    case "map":
      return shape.atomic || field?.fact.map === "atomic";
    case "list": {
      const rule = shape.rule ?? (field && listRuleOf(field));
      return rule?.type !== "set" && (rule?.type !== "map" || shape.of.is !== "struct");
    }
  }
}

/** Owned fields after a change of the schema: what became atomic is owned as a whole. */
export function wholeWhereAtomic(place: Place, fields: FieldSet): FieldSet {
  if (fields.children.size === 0) return fields;
  if (isAtomic(place)) return FieldSet.whole();
  return fields.mapped((element, below) => {
    const within = placeWithin(place, element);
    return within === undefined ? below : wholeWhereAtomic(within, below);
  });
}

/** Where an element leads; undefined where the schema says nothing of it. */
function placeWithin({ shape }: Place, element: string): Place | undefined {
  switch (shape.is) {
    case "struct": {
      const struct = structOf(shape.of);
      const known = fieldPartsOf(struct).get(nameOf(element));
      return known?.place ?? (struct.rest && { shape: struct.rest, field: undefined });
    }
    case "map":
    case "list":
      return { shape: shape.of, field: undefined };
    default:
      return undefined;
  }
}

function keysOf(place: Place, value: Record<string, Json>): Part[] {
  return Object.keys(value).map((key) => ({ element: `f:${key}`, place, value: value[key] }));
}

type FieldPart = Omit<Part, "value">;

const fieldParts = new WeakMap<Struct, ReadonlyMap<string, FieldPart>>();

/** The fields of a structure as parts, made once: each write asks for dozens of them. */
function fieldPartsOf(struct: Struct): ReadonlyMap<string, FieldPart> {
  let found = fieldParts.get(struct);
  if (found === undefined) {
    found = new Map([...struct.fields].map(([key, field]) => [key, fieldPart(key, field)]));
    fieldParts.set(struct, found);
  }
  return found;
}

function fieldPart(key: string, field: Field | undefined, rest?: Shape): FieldPart {
  const shape: Shape = field?.shape ?? rest ?? { is: "scalar", scalar: "string" };
  return { element: `f:${key}`, place: { shape, field } };
}

function fieldsOf(struct: Struct, value: Record<string, Json>): Part[] {
  const known = fieldPartsOf(struct);
  return Object.keys(value).map((key) => {
    const { element, place } = known.get(key) ?? fieldPart(key, undefined, struct.rest);
    return { element, place, value: value[key] };
  });
}

/**
 * The same for a value that is compared: Go writes `null` for an unset time, where we write
 * nothing; the manager that created the structure owns that too.
 */
export function comparedPartsOf(place: Place, value: Json): Part[] | undefined {
  const parts = partsOf(place, value);
  if (parts === undefined || place.shape.is !== "struct") return parts;
  for (const { key, part } of timesOf(structOf(place.shape.of))) {
    if (memberOf(value as Record<string, Json>, key) !== undefined) continue;
    parts.push({ ...part, value: null });
  }
  return parts;
}

type TimeField = { readonly key: string; readonly part: FieldPart };

const times = new WeakMap<Struct, readonly TimeField[]>();

/** The times of a structure that Go never leaves out: `omitempty` does nothing for structures. */
function timesOf(struct: Struct): readonly TimeField[] {
  let found = times.get(struct);
  if (found === undefined) {
    const always = [...struct.fields].filter(([, field]) => isNeverLeftOut(field));
    found = always.map(([key, field]) => ({ key, part: fieldPart(key, field) }));
    times.set(struct, found);
  }
  return found;
}

function isNeverLeftOut({ shape, fact }: Field): boolean {
  const special = shape.is === "special" ? shape.special : "";
  const time = special === "Time" || special === "MicroTime";
  return time && !fact.omitzero && !fact.pointer;
}

function itemsOf(shape: Shape, rule: ListRule, items: readonly Json[]): Part[] | undefined {
  const place = { shape, field: undefined };
  if (rule.type === "set") {
    return items.map((value, index) => ({
      element: `v:${JSON.stringify(scalar(value, index))}`,
      place,
      value,
    }));
  }
  if (rule.type !== "map" || shape.is !== "struct") return undefined;
  const struct = structOf(shape.of);
  return items.map((value, index) => ({
    element: keyOf(struct, rule.keys, value, index),
    place,
    value,
  }));
}

/** The item of a set, whose items are known by their values. */
function scalar(value: Json, index: number): Json {
  if (typeof value !== "object") return value;
  const what =
    value === null ? "an explicit null" : Array.isArray(value) ? "a list type" : "a map type";
  throw badRequest(`element ${index}: associative list without keys has an element that's ${what}`);
}

/** An item's name in its list: its keys, in order, those left out at their default. */
function keyOf({ fields }: Struct, keys: readonly string[], item: Json, index: number): string {
  if (!isObject(item)) throw badRequest("an item of a list with keys is no object");
  const named: Record<string, Json> = {};
  for (const key of keys.length > 1 ? keys.toSorted() : keys) {
    const value = memberOf(item, key) ?? defaultOf(fields.get(key));
    if (value !== undefined) named[key] = value;
  }
  if (Object.keys(named).length === 0) {
    throw badRequest(
      `element ${index}: associative list with keys has an element that omits all key fields ` +
        `${JSON.stringify(keys)} (and doesn't have default values for any key fields)`,
    );
  }
  return `k:${JSON.stringify(named)}`;
}

/** Upstream's schema gives what Go always writes its empty value where it has no default. */
function defaultOf(field: Field | undefined): Json {
  if (field === undefined || field.fact.default !== undefined) return field?.fact.default;
  const { shape, fact } = field;
  if (fact.omitempty || fact.pointer || shape.is !== "scalar") return undefined;
  if (shape.scalar === "string") return "";
  return shape.scalar === "bool" ? false : 0;
}

/** The field name of a path element, without its prefix. */
export const nameOf = (element: string): string => element.slice(2);
