import { escapedJson } from "@raft2kube/std/go-json.ts";
import { goQuoted } from "@raft2kube/std/go-quote.ts";
import { SHOWN_VALUE_CHARACTERS_MAX } from "./limits.ts";

/**
 * One thing wrong with one field of an object. `type` is the machine-readable reason that clients
 * see in `Status.details.causes[].reason`; the texts are upstream's (apimachinery's field errors).
 */
export interface FieldError {
  readonly type: FieldErrorType;
  /** The path of the field, as `spec.containers[0].name`. */
  readonly field: string;
  readonly value?: unknown;
  readonly detail: string;
}

export type FieldErrorType =
  | "FieldValueNotFound"
  | "FieldValueRequired"
  | "FieldValueDuplicate"
  | "FieldValueInvalid"
  | "FieldValueNotSupported"
  | "FieldValueForbidden"
  | "FieldValueTooLong"
  | "FieldValueTooMany"
  | "FieldValueTypeInvalid"
  | "InternalError";

const TITLES: Record<FieldErrorType, string> = {
  FieldValueNotFound: "Not found",
  FieldValueRequired: "Required value",
  FieldValueDuplicate: "Duplicate value",
  FieldValueInvalid: "Invalid value",
  FieldValueNotSupported: "Unsupported value",
  FieldValueForbidden: "Forbidden",
  FieldValueTooLong: "Too long",
  FieldValueTooMany: "Too many",
  FieldValueTypeInvalid: "Invalid value",
  InternalError: "Internal error",
};

/** Errors of these types name no value: it is absent, secret, or too large to repeat. */
const WITHOUT_VALUE = new Set<FieldErrorType>([
  "FieldValueRequired",
  "FieldValueForbidden",
  "FieldValueTooLong",
  "InternalError",
]);

/** The value of an error that shows none: an object or list would be too large. */
export const OMITTED = Symbol("omitted");

/** The value as Go's `%q`, `%v` or JSON show it, which is what upstream's messages carry. */
function shown(value: unknown): string {
  if (value === undefined || value === null) return "null";
  if (typeof value === "string") return goQuoted(value);
  if (typeof value === "number") return numberText(value);
  if (typeof value === "boolean") return String(value);
  return escapedJson(JSON.stringify(value));
}

/** The size from which Go shows a float64 with an exponent. */
const FLOAT_PLAIN_MAX = 1e6;

/** A number as Go's `%v` shows it: an int64 where it is whole and was read exactly. */
export function numberText(value: number): string {
  return Number.isSafeInteger(value) ? String(value) : floatText(value);
}

/** The same of a float64: large and small ones have an exponent, of two digits at least. */
export function floatText(value: number): string {
  const size = Math.abs(value);
  const text =
    size === 0 || (size >= 1e-4 && size < FLOAT_PLAIN_MAX) ? String(value) : value.toExponential();
  return text.replace(/e([+-])(\d)$/, "e$10$2");
}

/** The message of one error without its path: `Invalid value: "x": must be ...`. */
const bodyOf = (error: FieldError): string => describe(error).body;

/** The same, and how many characters were written for it; of a long value only a start is kept. */
export function describe(error: FieldError): { body: string; characters: number } {
  const title = TITLES[error.type];
  const isShown = !WITHOUT_VALUE.has(error.type) && error.value !== OMITTED;
  let value = isShown ? `: ${shown(error.value)}` : "";
  const { length } = value;
  if (length > SHOWN_VALUE_CHARACTERS_MAX) {
    const start = value.slice(0, SHOWN_VALUE_CHARACTERS_MAX).toWellFormed();
    value = `${start}... (${length} characters)`;
  }
  const head = `${title}${value}`;
  const body = error.detail === "" ? head : `${head}: ${error.detail}`;
  return { body, characters: length + error.detail.length };
}

/** The whole message of one error: `spec.replicas: Invalid value: -1: must be ...`. */
export const messageOfField = (error: FieldError): string => `${error.field}: ${bodyOf(error)}`;

/** The field is absent, and must not be. */
export function required(field: string, detail = ""): FieldError {
  return { type: "FieldValueRequired", field, detail };
}

/** The field's value breaks a rule that `detail` states. */
export function invalid(field: string, value: unknown, detail: string): FieldError {
  return { type: "FieldValueInvalid", field, value, detail };
}

/** The value is none of those allowed, which the message lists as given. */
export function notSupported(
  field: string,
  value: unknown,
  allowed: readonly string[],
): FieldError {
  const list = allowed.map((each) => JSON.stringify(each)).join(", ");
  const detail = allowed.length === 0 ? "" : `supported values: ${list}`;
  return { type: "FieldValueNotSupported", field, value, detail };
}

/** The field may not be set, or not be set this way, here. */
export function forbidden(field: string, detail: string): FieldError {
  return { type: "FieldValueForbidden", field, detail };
}

/** The value stands twice in a list whose members differ. */
export function duplicate(field: string, value: unknown): FieldError {
  return { type: "FieldValueDuplicate", field, value, detail: "" };
}

/** The value names something that is not there. */
export function notFound(field: string, value: unknown): FieldError {
  return { type: "FieldValueNotFound", field, value, detail: "" };
}

/** The text is longer than `limit_bytes`. */
export function tooLong(field: string, limit_bytes: number): FieldError {
  const detail = `may not be more than ${limit_bytes} ${limit_bytes === 1 ? "byte" : "bytes"}`;
  return { type: "FieldValueTooLong", field, detail };
}

/** The list has `count` members, more than `limit`. */
export function tooMany(field: string, count: number, limit: number): FieldError {
  const detail = `must have at most ${limit} ${limit === 1 ? "item" : "items"}`;
  return { type: "FieldValueTooMany", field, value: count, detail };
}
