/** Checks that a value has its schema's type, in upstream's words. */
import type { FieldError } from "@raft2kube/api/errors.ts";
import type { Findings } from "./findings.ts";
import { isKnownFormat } from "./formats.ts";
import type { Structural } from "./structural.ts";

/** The JSON type of a value; that of a whole number is integer. */
function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "bigint") return "integer";
  if (typeof value === "number") return Number.isSafeInteger(value) ? "integer" : "number";
  return typeof value;
}

const FORMATS: Readonly<Record<string, string>> = { integer: "int64", number: "float64" };

/** The format of a schema, "" where it has none or one that means nothing at its type. */
export function formatOf({ type = "", format = "", intOrString }: Structural): string {
  if (format === "") return "";
  return (!intOrString && isKnownFormat(type, format)) || (intOrString && isKnownFormat("", format))
    ? format
    : "";
}

export function checkType(schema: Structural, value: unknown, at: string, found: Findings): void {
  const { type = "", intOrString } = schema;
  const format = formatOf(schema);
  if (type === "" && !intOrString && format === "") return;
  const wanted = intOrString ? "integer,string" : type;
  const fail = (expected: string, actual: string) => found.add(mistyped(at, expected, actual));
  const actual = typeOf(value);
  if (actual === "null") {
    if (wanted !== "" && !schema.nullable) fail(wanted, actual);
    return;
  }
  const fits = intOrString
    ? actual === "string" || isWhole(actual, value)
    : actual === type ||
      (type === "number" && actual === "integer") ||
      (type === "integer" && isWhole(actual, value));
  const holdsText = actual === "string" || actual === "array";
  if (!fits && format !== "" && !holdsText && (FORMATS[actual] ?? "") !== format) {
    return fail(format, FORMATS[actual] ?? "");
  }
  const numeric = intOrString || type === "integer" || type === "number";
  if (format !== "" && holdsText && !numeric) found.matches++;
  else if (fits) found.matches++;
  else fail(wanted, actual);
}

/** The error of a value of another type, or a text of another format. */
export const mistyped = (at: string, expected: string, actual: string): FieldError => ({
  type: "FieldValueTypeInvalid",
  field: at,
  value: actual,
  detail: `${at} in body must be of type ${expected}: ${JSON.stringify(actual)}`,
});

/** Relative difference up to which Go's validation takes a fraction for a whole number. */
const EPSILON = 1e-9;

function isWhole(type: string, value: unknown): boolean {
  return type === "integer" || (type === "number" && isNearlyWhole(value as number));
}

/** Go's swag.IsFloat64AJSONInteger. */
export function isNearlyWhole(value: number): boolean {
  if (!(Math.abs(value) <= Number.MAX_SAFE_INTEGER)) return false;
  const whole = Math.trunc(value);
  if (value === whole) return true;
  return Math.abs(value - whole) / (Math.abs(value) + Math.abs(whole)) < EPSILON;
}
