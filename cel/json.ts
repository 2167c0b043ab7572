/** JSON as values: wrapped as it is read, by declared type; and values as JSON. */

import type { TypeProvider } from "./library.ts";
import { equals } from "./operations.ts";
import { formatDuration, formatTimestamp, parseDuration, parseTimestamp } from "./time.ts";
import { DYN, listOf, mapOf, type Type } from "./types.ts";
import {
  Duration,
  isError,
  ListValue,
  MapValue,
  OptionalValue,
  type Outcome,
  StructValue,
  Timestamp,
  Uint,
  type Value,
} from "./value.ts";

/**
 * Wraps a JSON value as one of a type; of `dyn`, by what it is: a whole number is an int. Values
 * are as validation by schemas left them: what is not of its type keeps the type that it has.
 */
export function fromJson(json: unknown, type: Type, provider?: TypeProvider): Value {
  switch (typeof json) {
    case "string":
      return fromText(json, type);
    case "number":
      return Number.isInteger(json) && type.kind !== "double" ? BigInt(json) : json;
    case "bigint":
      return type.kind === "double" ? Number(json) : json;
    case "boolean":
      return json;
    case "object":
      if (json === null) return null;
      if (Array.isArray(json)) {
        return new JsonList(json, type.kind === "list" ? type : listOf(DYN), provider);
      }
      return type.kind === "struct" && provider !== undefined
        ? new JsonObject(json as JsonRecord, type, provider)
        : new JsonMap(json as JsonRecord, type.kind === "map" ? type : mapOf(DYN, DYN), provider);
    default:
      return null;
  }
}

type JsonRecord = Readonly<Record<string, unknown>>;

function fromText(text: string, { kind }: Type): Value {
  let parsed: Outcome | undefined;
  if (kind === "timestamp") parsed = parseTimestamp(text);
  else if (kind === "duration") parsed = parseDuration(text);
  else if (kind === "bytes") parsed = new Uint8Array(Buffer.from(text, "base64"));
  return parsed === undefined || isError(parsed) ? text : parsed;
}

/** An array whose items are wrapped when they are read. */
export class JsonList extends ListValue {
  readonly json: readonly unknown[];
  override readonly type: Type;
  readonly #provider: TypeProvider | undefined;

  constructor(json: readonly unknown[], type: Type, provider?: TypeProvider) {
    super();
    this.json = json;
    this.type = type;
    this.#provider = provider;
  }

  override get size(): number {
    return this.json.length;
  }

  override at(index: number): Value {
    return fromJson(this.json[index], this.type.parameters[0]!, this.#provider);
  }
}

/** An object as a map of strings to values of one type. */
export class JsonMap extends MapValue {
  readonly json: JsonRecord;
  override readonly type: Type;
  readonly #provider: TypeProvider | undefined;

  constructor(json: JsonRecord, type: Type, provider?: TypeProvider) {
    super();
    this.json = json;
    this.type = type;
    this.#provider = provider;
  }

  override get size(): number {
    return Object.keys(this.json).length;
  }

  override get(key: Value): Value | undefined {
    if (typeof key !== "string" || !Object.hasOwn(this.json, key)) return undefined;
    return fromJson(this.json[key], this.type.parameters[1]!, this.#provider);
  }

  override keys(): Iterable<Value> {
    return Object.keys(this.json);
  }
}

/** An object with declared fields. Properties that are not declared are not seen. */
class JsonObject extends MapValue {
  readonly #json: JsonRecord;
  override readonly type: Type;
  readonly #provider: TypeProvider;

  constructor(json: JsonRecord, type: Type, provider: TypeProvider) {
    super();
    this.#json = json;
    this.type = type;
    this.#provider = provider;
  }

  override get size(): number {
    return [...this.keys()].length;
  }

  override get(key: Value): Value | undefined {
    const field =
      typeof key === "string" ? this.#provider.findField(this.type.name, key) : undefined;
    if (field === undefined) return undefined;
    const { property = key as string, type, wrap } = field;
    if (!Object.hasOwn(this.#json, property)) return undefined;
    const json = this.#json[property];
    return wrap === undefined ? fromJson(json, type, this.#provider) : wrap(json);
  }

  override *keys(): Generator<Value> {
    const { findField, fieldOf } = this.#provider;
    for (const property of Object.keys(this.#json)) {
      const name = fieldOf?.call(this.#provider, this.type.name, property) ?? property;
      if (findField.call(this.#provider, this.type.name, name) !== undefined) yield name;
    }
  }
}

/** A message that an expression constructed. Fields that were not set have no value. */
export class Message extends StructValue {
  override readonly type: Type;
  readonly fields: ReadonlyMap<string, Value>;

  constructor(type: Type, fields: ReadonlyMap<string, Value>) {
    super();
    this.type = type;
    this.fields = fields;
  }

  override get(field: string): Value | undefined {
    return this.fields.get(field);
  }

  override has(field: string): boolean {
    return this.fields.has(field);
  }

  override equals(other: Value): boolean {
    return (
      other instanceof Message &&
      other.type.is(this.type) &&
      other.fields.size === this.fields.size &&
      [...this.fields].every(([name, value]) => {
        const theirs = other.fields.get(name);
        return theirs !== undefined && equals(value, theirs);
      })
    );
  }
}

/** A value as JSON; undefined when it has no form there, such as a type. */
export function toJson(value: Value): unknown {
  switch (typeof value) {
    case "bigint":
      return integerJson(value);
    case "object":
      break;
    default:
      return value;
  }
  if (value === null) return null;
  if (value instanceof ListValue) return Array.from(value, toJson);
  if (value instanceof MapValue) {
    const keys = [...value.keys()];
    return Object.fromEntries(keys.map((key) => [String(toJson(key)), toJson(value.get(key)!)]));
  }
  if (value instanceof Message) {
    return Object.fromEntries([...value.fields].map(([name, each]) => [name, toJson(each)]));
  }
  if (value instanceof Uint) return integerJson(value.value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value instanceof Timestamp) return formatTimestamp(value);
  if (value instanceof Duration) return formatDuration(value.nanos);
  return value instanceof OptionalValue && value.value !== undefined
    ? toJson(value.value)
    : undefined;
}

/** An integer as JSON has it: a bigint where a number would lose digits. */
function integerJson(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
