import { assert } from "@raft2kube/std/assert.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { own } from "@raft2kube/std/own.ts";
import { bits64, type FieldTable, isDefault, type MessageType } from "./codec.ts";

/** Depth of nested messages past which JSON is refused. */
const JSON_DEPTH_MAX = 100;
/** Values in one text: a tenth of a second's work, and more than any request of etcd needs. */
const JSON_VALUES_MAX = 200_000;

type JsonObject = Record<string, unknown>;
type AnyMessage = MessageType<unknown>;

/** JSON that does not parse, or a value that its field's type does not allow. */
export class JsonError extends CodedError {
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
  if (INTEGERS[type]?.bits === 64) return String(bits64(type, item as number | bigint));
  if (!values) return item;
  return Object.entries(values()).find(([, value]) => value === item)?.[0] ?? item;
}

/**
 * Parses JSON; integers that a double cannot hold become bigints. Throws JsonError, also for a
 * name that an object has twice: which of the two counts would be a guess.
 */
export function parseJson(text: string): unknown {
  const exact = (_: string, value: unknown, context?: { source?: string }) => {
    if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
    const source = context?.source ?? "";
    return /^-?[0-9]+$/.test(source) && source.length <= DIGITS_MAX ? BigInt(source) : value;
  };
  try {
    checkStructure(text);
    // A reviver costs ten times the parse.
    return (LONG_NUMBER.test(text) ? JSON.parse(text, exact) : JSON.parse(text)) as unknown;
  } catch (thrown) {
    // Nested too deeply for the reviver.
    if (thrown instanceof RangeError) throw new JsonError("JSON is nested too deeply", thrown);
    if (thrown instanceof SyntaxError) throw new JsonError(thrown.message, thrown);
    throw thrown;
  }
}

/** Integers of fewer digits are exact as doubles. */
const LONG_NUMBER = /[0-9]{16}/;

/**
 * Refuses a name twice in an object, and more values than are parsed quickly. Text that is no JSON
 * passes. A colon outside of strings follows a name.
 */
function checkStructure(text: string): void {
  const open: (Set<string> | undefined)[] = [];
  let values = 1;
  let quoted = "";
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') {
      const from = at++;
      for (; at < text.length && text[at] !== '"'; at++) if (text[at] === "\\") at++;
      quoted = text.slice(from, at + 1);
    } else if (char === "{" || char === "[" || char === ",") {
      if (++values > JSON_VALUES_MAX) throw new JsonError(`more than ${JSON_VALUES_MAX} values`);
      if (char !== ",") open.push(undefined);
    } else if (char === "}" || char === "]") open.pop();
    else if (char === ":" && open.length > 0) {
      const name = JSON.parse(quoted) as string;
      const names = (open[open.length - 1] ??= new Set());
      if (names.has(name)) throw new JsonError(`duplicate field ${quoted}`);
      names.add(name);
    }
  }
}

/** No 64-bit integer has more characters. */
const DIGITS_MAX = 20;
/** Longest number, with a fraction of zeros and an exponent. */
const NUMBER_CHARS_MAX = 64;

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
  if (!/^(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)$/.test(digits) || digits.length % 4 === 1 || !padded) {
    throw new JsonError(`${at}: illegal base64 data`);
  }
  return Buffer.from(digits, "base64");
}

type IntegerType = { readonly bits: 32 | 64; readonly signed: boolean };

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

/** A number as JSON has it: sign and digits, fraction, exponent. */
const NUMBER = /^(-?(?:0|[1-9][0-9]*))(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,3}))?$/;

/** The whole number that a string stands for, `1.5e1` too. */
function wholeOf(text: string): bigint | undefined {
  if (text.length > NUMBER_CHARS_MAX) return undefined;
  const [, whole, fraction = "", exponent = "0"] = NUMBER.exec(text) ?? [];
  const shift = Number(exponent) - fraction.length;
  if (whole === undefined || shift > DIGITS_MAX) return undefined;
  if (shift >= 0) return BigInt(whole + fraction) * 10n ** BigInt(shift);
  const [value, unit] = [BigInt(whole + fraction), 10n ** BigInt(-shift)];
  return value % unit === 0n ? value / unit : undefined;
}

/** A number, or one in a string. 64 bits are a bigint. */
function integerOf(item: unknown, at: string, { bits, signed }: IntegerType): number | bigint {
  const isWhole = typeof item === "bigint" || Number.isInteger(item);
  const value =
    typeof item === "string"
      ? wholeOf(item)
      : isWhole
        ? BigInt(item as number | bigint)
        : undefined;
  if (value === undefined) throw mismatch(at, "an integer", item);
  const kept = signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
  if (kept !== value) throw new JsonError(`${at}: ${value} does not fit ${bits} bits`);
  return bits === 64 ? value : Number(value);
}

function mismatch(at: string, expected: string, item: unknown): JsonError {
  const got = item === null ? "null" : Array.isArray(item) ? "an array" : `a ${typeof item}`;
  return new JsonError(`${at}: expected ${expected}, got ${got}`);
}
