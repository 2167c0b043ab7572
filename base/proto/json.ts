import { assert } from "@raft2kube/std/assert.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { own } from "@raft2kube/std/own.ts";
import { type FieldTable, type MessageType, isDefault } from "./codec.ts";

/** Depth of nested messages past which JSON is refused. */
const JSON_DEPTH_MAX = 100;

type JsonObject = Record<string, unknown>;
type AnyMessage = MessageType<unknown>;

/** JSON that does not parse, or a value that its field's type does not allow. */
export class JsonError extends CodedError {
  override readonly name = "JsonError";

  constructor(message: string, cause?: unknown) {
    super("INVALID_JSON", message, { cause });
  }
}

/**
 * The JSON form of a message (proto3 JSON) under the schema's own names: 64-bit integers as
 * strings, bytes in base64, enums by name. Fields at their default are left out.
 */
export function toJson<T>(type: MessageType<T>, message: T): JsonObject {
  const json: JsonObject = {};
  for (const field of type.fields) {
    assert(!field.mapKey, "a schema with a JSON form has no maps");
    const item = (message as JsonObject)[field.name];
    if (item === undefined) continue;
    const name = field.original ?? field.name;
    if (field.repeated) {
      const items = item as readonly unknown[];
      if (items.length > 0) json[name] = items.map((each) => valueToJson(field, each));
    } else if (field.optional || !isDefault(field, item)) json[name] = valueToJson(field, item);
  }
  return json;
}

function valueToJson({ type, values }: FieldTable, item: unknown): unknown {
  if (typeof type === "function") return toJson(type() as AnyMessage, item);
  if (type === "bytes") return Buffer.from(item as Uint8Array).toString("base64");
  if (INTEGERS[type]?.bits === 64) return String(item);
  if (!values) return item;
  return Object.entries(values()).find(([, value]) => value === item)?.[0] ?? item;
}

/** Parses JSON; integers that a double cannot hold become bigints. Throws JsonError. */
export function parseJson(text: string): unknown {
  const exact = (_: string, value: unknown, context?: { source?: string }) => {
    if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
    const source = context?.source ?? "";
    return /^-?[0-9]+$/.test(source) && source.length <= DIGITS_MAX ? BigInt(source) : value;
  };
  try {
    return JSON.parse(text, exact) as unknown;
  } catch (thrown) {
    // Nested too deeply for the reviver.
    if (thrown instanceof RangeError) throw new JsonError("JSON is nested too deeply", thrown);
    if (thrown instanceof SyntaxError) throw new JsonError(thrown.message, thrown);
    throw thrown;
  }
}

/** No 64-bit integer has more characters. */
const DIGITS_MAX = 20;

/**
 * The bytes of the message that a parsed JSON object stands for. Takes a field by its name in the
 * schema or in lowerCamel; passes over names that are no field's, as etcd's gateway does. Throws
 * JsonError, which names the field.
 */
export function fromJson<T>(type: MessageType<T>, json: unknown): Buffer {
  return type.encode(messageOf(type as AnyMessage, json, type.name, 0) as never);
}

function messageOf(type: AnyMessage, json: unknown, at: string, depth: number): JsonObject {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw mismatch(at, "an object", json);
  }
  if (depth > JSON_DEPTH_MAX) throw new JsonError(`${at}: nested deeper than ${JSON_DEPTH_MAX}`);
  const names = fieldsByName(type);
  const message: JsonObject = {};
  const oneofs = new Set<string>();
  for (const [name, item] of Object.entries(json)) {
    const field = names.get(name);
    if (!field || item === null) continue;
    const where = `${at}.${name}`;
    const taken = field.oneof !== undefined && oneofs.has(field.oneof);
    if (field.name in message || taken) throw new JsonError(`${where}: is already set`);
    if (field.oneof !== undefined) oneofs.add(field.oneof);
    message[field.name] = field.repeated
      ? listOf(field, item, where, depth)
      : valueOf(field, item, where, depth);
  }
  return message;
}

const BY_NAME = new WeakMap<AnyMessage, ReadonlyMap<string, FieldTable>>();

function fieldsByName(type: AnyMessage): ReadonlyMap<string, FieldTable> {
  let names = BY_NAME.get(type);
  if (!names) {
    const both = (field: FieldTable) => [field.name, field.original ?? field.name];
    const entries = type.fields.flatMap((field) => both(field).map((name) => [name, field]));
    BY_NAME.set(type, (names = new Map(entries as [string, FieldTable][])));
  }
  return names;
}

function listOf(field: FieldTable, item: unknown, at: string, depth: number): unknown[] {
  if (!Array.isArray(item)) throw mismatch(at, "an array", item);
  return item.map((each, i) => valueOf(field, each, `${at}[${i}]`, depth));
}

function valueOf(field: FieldTable, item: unknown, at: string, depth: number): unknown {
  const { type } = field;
  if (typeof type === "function") return messageOf(type() as AnyMessage, item, at, depth + 1);
  if (field.values && typeof item === "string") {
    const value = own(field.values(), item);
    if (value === undefined) throw new JsonError(`${at}: ${item} is no value of this enum`);
    return value;
  }
  if (type === "bytes") return bytesOf(item, at);
  const integer = INTEGERS[type];
  if (integer) return integerOf(item, at, integer);
  const expected = type === "bool" ? "boolean" : type === "string" ? "string" : "number";
  if (typeof item !== expected) throw mismatch(at, `a ${expected}`, item);
  return item;
}

/** Base64 or base64url, with or without padding. */
function bytesOf(item: unknown, at: string): Buffer {
  if (typeof item !== "string") throw mismatch(at, "a string of base64", item);
  const digits = item.replace(/={1,2}$/, "");
  const padded = digits.length === item.length || item.length % 4 === 0;
  if (!/^[A-Za-z0-9+/_-]*$/.test(digits) || digits.length % 4 === 1 || !padded) {
    throw new JsonError(`${at}: illegal base64 data`);
  }
  return Buffer.from(digits, "base64");
}

interface IntegerType {
  readonly bits: 32 | 64;
  readonly signed: boolean;
}

const INTEGERS: Readonly<Record<string, IntegerType>> = {
  int32: { bits: 32, signed: true },
  sint32: { bits: 32, signed: true },
  uint32: { bits: 32, signed: false },
  fixed32: { bits: 32, signed: false },
  int64: { bits: 64, signed: true },
  sint64: { bits: 64, signed: true },
  uint64: { bits: 64, signed: false },
  fixed64: { bits: 64, signed: false },
};

/** A number, or its decimal digits in a string. 64 bits are a bigint. */
function integerOf(item: unknown, at: string, { bits, signed }: IntegerType): number | bigint {
  const digits = typeof item === "string" && item.length <= DIGITS_MAX && /^-?[0-9]+$/.test(item);
  const whole = digits || typeof item === "bigint" || Number.isInteger(item);
  if (!whole) throw mismatch(at, "an integer", item);
  const value = BigInt(item as string | number | bigint);
  const kept = signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
  if (kept !== value) throw new JsonError(`${at}: ${value} does not fit ${bits} bits`);
  return bits === 64 ? value : Number(value);
}

function mismatch(at: string, expected: string, item: unknown): JsonError {
  const got = item === null ? "null" : Array.isArray(item) ? "an array" : `a ${typeof item}`;
  return new JsonError(`${at}: expected ${expected}, got ${got}`);
}
