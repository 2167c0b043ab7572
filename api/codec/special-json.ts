/** The special types out of JSON, in canonical form. */

import { canonicalQuantity, QuantityError } from "@raft2kube/std/quantity.ts";
import { formatDuration, parseDuration } from "../duration.ts";
import type { Special } from "../schema.ts";
import { formatMicroTime, formatTime, parseTime } from "../time.ts";
import type { DecodeContext } from "./decode-context.ts";
import { DecodeError } from "./decode-error.ts";

function text(value: unknown, context: DecodeContext): string {
  if (typeof value !== "string") throw context.mismatch(value, "string");
  return value;
}

function time(value: unknown, special: "Time" | "MicroTime", context: DecodeContext): string {
  const given = text(value, context);
  const moment = parseTime(given);
  if (moment === undefined) {
    const layout =
      special === "Time" ? "2006-01-02T15:04:05Z07:00" : "2006-01-02T15:04:05.000000Z07:00";
    throw new DecodeError(
      `parsing time ${JSON.stringify(given)} as "${layout}": ` +
        `cannot parse ${JSON.stringify(given)} as "2006"`,
    );
  }
  return special === "Time" ? formatTime(moment) : formatMicroTime(moment);
}

function duration(value: unknown, context: DecodeContext): string {
  const given = text(value, context);
  const nanos = parseDuration(given);
  if (nanos === undefined) throw new DecodeError(`time: invalid duration ${JSON.stringify(given)}`);
  return formatDuration(nanos);
}

function quantity(value: unknown, context: DecodeContext): string {
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "bigint") {
    throw context.mismatch(value, "resource.Quantity");
  }
  return checkedQuantity(String(value));
}

/** Returns the canonical form of a quantity. Throws `DecodeError`. */
export function checkedQuantity(text: string): string {
  try {
    return canonicalQuantity(text.trim());
  } catch (thrown) {
    if (thrown instanceof QuantityError) throw new DecodeError(thrown.message);
    throw thrown;
  }
}

function intOrString(value: unknown, context: DecodeContext): number | string {
  if (typeof value === "string") return value;
  if (!Number.isInteger(value) || Math.abs(value as number) > 2 ** 31) {
    throw context.mismatch(value, "int32");
  }
  return value as number;
}

/**
 * Decodes one special value, checked and canonical. `schema` decodes a JSON schema that stands in
 * it. Throws `DecodeError`.
 */
export function specialFromJson(
  special: Special,
  value: unknown,
  context: DecodeContext,
  schema: (value: unknown, context: DecodeContext) => unknown,
): unknown {
  switch (special) {
    case "Time":
    case "MicroTime":
      return time(value, special, context);
    case "Duration":
      return duration(value, context);
    case "Quantity":
      return quantity(value, context);
    case "IntOrString":
      return intOrString(value, context);
    case "RawExtension":
    case "FieldsV1":
    case "JSON":
      return value;
    case "SchemaOrBool":
      return typeof value === "boolean" ? value : schema(value, context);
    case "SchemaOrArray":
      return Array.isArray(value)
        ? value.map((each) => schema(each, context))
        : schema(value, context);
    case "SchemaOrStrings":
      return Array.isArray(value)
        ? value.map((each) => text(each, context))
        : schema(value, context);
  }
}
