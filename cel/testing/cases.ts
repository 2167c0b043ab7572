/** Types and values of test data: `list(map(string, int))`, `{ int: "1" }`. */
import { TableMap } from "../collections.ts";
import { equals } from "../operations.ts";
import {
  BOOL,
  BYTES,
  DOUBLE,
  DURATION,
  DYN,
  INT,
  listOf,
  mapOf,
  NULL,
  objectType,
  opaqueType,
  STRING,
  TIMESTAMP,
  TYPE,
  Type,
  typeOf,
  UINT,
} from "../types.ts";
import { ArrayList, Duration, Timestamp, Uint, type Value } from "../value.ts";

const NAMED = new Map(
  [BOOL, BYTES, DOUBLE, DYN, INT, STRING, UINT].map((type) => [type.name, type]),
);
NAMED.set("null", NULL).set("timestamp", TIMESTAMP).set("duration", DURATION).set("type", TYPE);

/** Reads a type; a name that is none of CEL's is a message's. */
export function parseType(text: string): Type {
  const match = /^([\w.]+)\((.*)\)$/.exec(text);
  if (match === null) return NAMED.get(text) ?? objectType(text);
  const [, name, inner] = match;
  const parameters = splitTypes(inner!).map(parseType);
  if (name === "list") return listOf(parameters[0]!);
  if (name === "map") return mapOf(parameters[0]!, parameters[1]!);
  return name === "type" ? typeOf(parameters[0]!) : opaqueType(name!, ...parameters);
}

function splitTypes(text: string): string[] {
  const parts: string[] = [""];
  let depth = 0;
  for (const character of text) {
    if (character === "(") depth++;
    if (character === ")") depth--;
    if (character === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += character;
  }
  return parts.map((each) => each.trim()).filter((each) => each !== "");
}

type Tagged = Readonly<Record<string, unknown>>;

/** A value of the data that scripts/cel-testdata writes. */
export function parseValue(data: unknown): Value {
  if (data === null || typeof data === "boolean" || typeof data === "string") return data;
  const [kind, value] = Object.entries(data as Tagged)[0]!;
  switch (kind) {
    case "int":
      return BigInt(value as string);
    case "uint":
      return new Uint(BigInt(value as string));
    case "double":
      return Number(String(value).replace(/^([+-]?)inf(?:inity)?$/i, "$1Infinity"));
    case "bytes":
      return new Uint8Array(Buffer.from(value as string, "base64"));
    case "timestamp":
      return new Timestamp(BigInt(value as string));
    case "duration":
      return new Duration(BigInt(value as string));
    case "type":
      return new Type("type", value as string);
    case "list":
      return new ArrayList((value as unknown[]).map(parseValue));
    case "map":
      return TableMap.of(
        (value as [unknown, unknown][]).map(([key, each]) => [parseValue(key), parseValue(each)]),
      )!;
    default:
      throw new TypeError(`unknown value ${kind}`);
  }
}

/** Whether two values are the same, of the same type, NaN included. */
export function same(a: unknown, b: Value): boolean {
  if (typeof a === "number" && typeof b === "number") return Object.is(a + 0, b + 0);
  return typeof a === typeof b && equals(a as Value, b) && a instanceof Uint === b instanceof Uint;
}
