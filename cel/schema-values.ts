/**
 * JSON as values of a schema's type, wrapped as it is read. Lists that a schema declares as sets or
 * maps compare without regard to order and merge when they are added. Source: the behaviour of
 * k8s.io/apiserver/pkg/cel/common/valuesunstructured.go.
 */
import { escapeName, unescapeName } from "./field-names.ts";
import { fromJson } from "./json.ts";
import { equals, keysSteps, pay } from "./operations.ts";
import { asResource, membersOf, type Schema } from "./schema-types.ts";
import { parseDuration, parseTimestamp } from "./time.ts";
import { DYN, opaqueType } from "./types.ts";
import {
  ArrayList,
  isError,
  ListValue,
  MapValue,
  OpaqueValue,
  type Outcome,
  type Value,
} from "./value.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** The value of JSON. A member that is not of its schema's type, which may change, is unknown. */
export function schemaValue(json: unknown, schema: Schema): Value {
  if (json === null || json === undefined) return null;
  return typedValue(json, schema) ?? new UnknownValue(json);
}

function typedValue(json: unknown, schema: Schema): Value | undefined {
  if (schema.intOrString === true) return typeof json === "string" ? json : integerValue(json);
  switch (schema.type) {
    case "object":
      return typeof json === "object" && !Array.isArray(json)
        ? objectValue(json as JsonObject, schema)
        : undefined;
    case "array":
      return Array.isArray(json) ? listValue(json, schema) : undefined;
    case "string":
      return typeof json === "string" ? textValue(json, schema) : undefined;
    case "integer":
      return integerValue(json);
    case "number":
      return typeof json === "number" || typeof json === "bigint" ? Number(json) : undefined;
    case "boolean":
      return typeof json === "boolean" ? json : undefined;
    default:
      return undefined;
  }
}

/** Integers past 2^53 are bigints in JSON as well. */
function integerValue(json: unknown): bigint | undefined {
  if (typeof json === "bigint") return json;
  return Number.isFinite(json) ? BigInt(Math.trunc(json as number)) : undefined;
}

function objectValue(json: JsonObject, schema: Schema): Value {
  if (schema.embedded === true) return new SchemaObject(json, asResource(schema));
  if (schema.properties !== undefined) return new SchemaObject(json, schema);
  return new SchemaMap(json, membersOf(schema));
}

function listValue(json: readonly unknown[], { items, listType, listKeys = [] }: Schema): Value {
  const list = new SchemaList(json, items ?? {});
  if (listType === "set") return new SetList(list);
  return listType === "map" ? new MapList(list, listKeys) : list;
}

function textValue(text: string, { format }: Schema): Value {
  let parsed: Outcome | undefined;
  if (format === "duration") parsed = parseDuration(text);
  else if (format === "date") parsed = parseTimestamp(`${text}T00:00:00Z`);
  else if (format === "date-time") parsed = parseTimestamp(text.toUpperCase());
  else if (format === "byte") return new Uint8Array(Buffer.from(text, "base64"));
  return parsed === undefined || isError(parsed) ? text : parsed;
}

const UNKNOWN = opaqueType("unknown");

/** Data that a schema preserves without describing it: it can be compared and nothing else. */
class UnknownValue extends OpaqueValue {
  readonly type = UNKNOWN;
  readonly #json: unknown;

  constructor(json: unknown) {
    super();
    this.#json = json;
  }

  override equals(other: Value): boolean {
    return other instanceof UnknownValue && sameJson(this.#json, other.#json);
  }
}

const sameJson = (a: unknown, b: unknown): boolean => equals(fromJson(a, DYN), fromJson(b, DYN));

class SchemaList extends ListValue {
  readonly #json: readonly unknown[];
  readonly #items: Schema;

  constructor(json: readonly unknown[], items: Schema) {
    super();
    this.#json = json;
    this.#items = items;
  }

  override get size(): number {
    return this.#json.length;
  }

  override at(index: number): Value {
    return schemaValue(this.#json[index], this.#items);
  }
}

/** A list whose items have keys. */
abstract class KeyedList extends ListValue {
  readonly #list: ListValue;
  #places: ReadonlyMap<string, number> | undefined;

  constructor(list: ListValue) {
    super();
    this.#list = list;
  }

  protected abstract keyOf(item: Value): string;
  protected abstract like(list: ListValue): KeyedList;

  override get size(): number {
    return this.#list.size;
  }

  override at(index: number): Value {
    return this.#list.at(index);
  }

  /** Indexes of items by their keys. */
  #index(): ReadonlyMap<string, number> {
    this.#places ??= new Map(Array.from(this.#list, (item, index) => [this.keyOf(item), index]));
    return this.#places;
  }

  override equals(other: Value): boolean {
    if (!(other instanceof ListValue) || other.size !== this.size) return false;
    pay(this.size + other.size);
    return [...other].every((item) => {
      const place = this.#index().get(this.keyOf(item));
      return place !== undefined && equals(this.at(place), item);
    });
  }

  /** The items of both; an item of the other list replaces the one of its key. */
  override concat(other: ListValue): Outcome {
    const items = [...this];
    const places = new Map(this.#index());
    for (const item of other) {
      const key = this.keyOf(item);
      const place = places.get(key) ?? items.length;
      places.set(key, place);
      items[place] = item;
    }
    return this.like(new ArrayList(items));
  }
}

/** x-kubernetes-list-type: set. */
class SetList extends KeyedList {
  protected override keyOf(item: Value): string {
    return keyText(item);
  }

  protected override like(list: ListValue): KeyedList {
    return new SetList(list);
  }
}

/** x-kubernetes-list-type: map. */
class MapList extends KeyedList {
  readonly #keys: readonly string[];

  constructor(list: ListValue, keys: readonly string[]) {
    super(list);
    this.#keys = keys;
  }

  protected override keyOf(item: Value): string {
    return this.#keys
      .map((key) => (item instanceof MapValue ? keyText(item.get(escapeName(key) ?? key)) : ""))
      .join();
  }

  protected override like(list: ListValue): KeyedList {
    return new MapList(list, this.#keys);
  }
}

/** Characters of a key that are written in a step. */
const WRITTEN_PER_STEP = 256;

/** The text of a scalar, other than that of any other scalar. */
function keyText(value: Value | undefined): string {
  if (typeof value === "string") pay(value.length / WRITTEN_PER_STEP);
  return typeof value === "bigint" || typeof value === "number"
    ? String(value)
    : JSON.stringify(value ?? null);
}

/** An object with properties, which have the identifiers of expressions. */
class SchemaObject extends MapValue {
  readonly #json: JsonObject;
  readonly #properties: ReadonlyMap<string, Schema>;

  constructor(json: JsonObject, { properties = new Map<string, Schema>() }: Schema) {
    super();
    this.#json = json;
    this.#properties = properties;
  }

  override get size(): number {
    return Object.keys(this.#json).length;
  }

  override get(key: Value): Value | undefined {
    const property = typeof key === "string" ? unescapeName(key) : undefined;
    if (property === undefined || !Object.hasOwn(this.#json, property)) return undefined;
    const json = this.#json[property];
    const schema = this.#properties.get(property);
    // A property that may be null is as absent when it is.
    return json === null || schema === undefined ? undefined : schemaValue(json, schema);
  }

  override *keys(): Generator<Value> {
    for (const property of Object.keys(this.#json)) {
      if (this.#properties.has(property)) yield escapeName(property) ?? property;
    }
  }

  override equals(other: Value): boolean {
    if (!(other instanceof MapValue) || other.size !== this.size) return false;
    pay(keysSteps(this));
    return Object.keys(this.#json).every((property) => {
      pay(1);
      if (!this.#properties.has(property)) return this.#equalsUnknown(other, property);
      const identifier = escapeName(property) ?? property;
      const [mine, theirs] = [this.get(identifier), other.get(identifier)];
      if (mine === undefined || theirs === undefined) return mine === theirs;
      return equals(mine, theirs);
    });
  }

  #equalsUnknown(other: MapValue, property: string): boolean {
    if (!(other instanceof SchemaObject)) return false;
    return (
      !Object.hasOwn(other.#json, property) || sameJson(this.#json[property], other.#json[property])
    );
  }
}

/** An object of any keys. Without a schema of its members they are not seen. */
class SchemaMap extends MapValue {
  readonly #json: JsonObject;
  readonly #members: Schema | undefined;

  constructor(json: JsonObject, members: Schema | undefined) {
    super();
    this.#json = json;
    this.#members = members;
  }

  override get size(): number {
    return Object.keys(this.#json).length;
  }

  override get(key: Value): Value | undefined {
    if (this.#members === undefined || typeof key !== "string" || !Object.hasOwn(this.#json, key))
      return undefined;
    return schemaValue(this.#json[key], this.#members);
  }

  override keys(): Iterable<Value> {
    return this.#members === undefined ? [] : Object.keys(this.#json);
  }

  override equals(other: Value): boolean {
    if (!(other instanceof MapValue) || other.size !== this.size) return false;
    if (this.#members === undefined) {
      return other instanceof SchemaMap && sameJson(this.#json, other.#json);
    }
    pay(keysSteps(this));
    return Object.keys(this.#json).every((key) => {
      pay(1);
      const theirs = other.get(key);
      return theirs !== undefined && equals(this.get(key)!, theirs);
    });
  }
}
