/** Quantities: `quantity("1.5Gi").isGreaterThan(quantity("100Mi"))`. */
import { QUANTITY_LENGTH_MAX } from "@raft2kube/std/limits.ts";
import {
  DECIMAL_EXPONENTS,
  isQuantity,
  type ParsedQuantity,
  parseQuantity,
  QuantityError,
} from "@raft2kube/std/quantity.ts";
import type { Library, Overload } from "../library.ts";
import { BOOL, DOUBLE, INT, objectType, STRING } from "../types.ts";
import { ErrorValue, OpaqueValue, type Outcome, type Value } from "../value.ts";
import { call, functions, method, ordering } from "./declare.ts";

const QUANTITY = objectType("kubernetes.Quantity");

const NANO_DIGITS = 9;
/** Decimal digits that upstream keeps in an int64; longer amounts become big decimals. */
const INT64_DIGITS_MAX = 18;
const NUMBER = /^[+-]?0*(\d*)(?:\.(\d*))?([a-zA-Z]*)([+-]?\d*)$/;

/**
 * An amount. `scale` is the power of ten that upstream's int64 form counts in; undefined when the
 * amount is a big decimal there. Only an int64 form of a scale >= 0 is an integer to upstream:
 * `quantity("1000m").isInteger()` is false.
 */
class QuantityValue extends OpaqueValue {
  readonly type = QUANTITY;
  readonly nanos: bigint;
  readonly scale: number | undefined;

  constructor(nanos: bigint, scale: number | undefined) {
    super();
    this.nanos = nanos;
    const isInt64 = scale !== undefined && fitsInt64(nanos / unitOf(scale));
    this.scale = isInt64 ? scale : undefined;
  }

  override equals(other: Value): boolean {
    return other instanceof QuantityValue && other.nanos === this.nanos;
  }
}

const fitsInt64 = (value: bigint): boolean => BigInt.asIntN(64, value) === value;

const unitOf = (scale: number): bigint => 10n ** BigInt(NANO_DIGITS + scale);

/** The scale of the int64 form that upstream reads a text into. */
function scaleOf(text: string, { format }: ParsedQuantity): number | undefined {
  const [, whole = "", fraction = "", suffix = "", power = ""] = NUMBER.exec(text) ?? [];
  const digits = Math.max(whole.length, 1) + fraction.length;
  if (suffix.endsWith("i")) {
    const exponent = "KMGTPE".indexOf(suffix[0]!) * 10 + 10;
    return fraction === "" && digits + Math.trunc(exponent * 0.3) < 15 ? 0 : undefined;
  }
  const exponent = format === "exponent" ? Number(power) : DECIMAL_EXPONENTS[suffix]!;
  const scale = exponent - fraction.length;
  return digits <= INT64_DIGITS_MAX && scale >= -NANO_DIGITS ? scale : undefined;
}

function quantityOf(text: string): QuantityValue | ErrorValue {
  try {
    // Looking for the complaint about a longer text would take long; it is that of any other.
    const parsed = parseQuantity(text.length > QUANTITY_LENGTH_MAX ? "?" : text);
    return new QuantityValue(parsed.nanos, scaleOf(text, parsed));
  } catch (thrown) {
    if (thrown instanceof QuantityError) return new ErrorValue(thrown.message);
    throw thrown;
  }
}

/** The whole number of an amount that upstream counts as an integer. */
function integerOf({ nanos, scale }: QuantityValue): bigint | undefined {
  if (scale === undefined || scale < 0) return undefined;
  const value = nanos / unitOf(0);
  return fitsInt64(value) ? value : undefined;
}

function approximate({ nanos, scale = -NANO_DIGITS }: QuantityValue): number {
  const base = Number(nanos / unitOf(scale));
  return scale === 0 ? base : base * Number(`1e${scale}`);
}

function add(a: QuantityValue, b: QuantityValue | bigint): QuantityValue {
  const other = typeof b === "bigint" ? new QuantityValue(b * unitOf(0), 0) : b;
  if (other.nanos === 0n && other.scale !== undefined) return a;
  if (a.scale === undefined || other.scale === undefined) {
    return new QuantityValue(a.nanos + other.nanos, undefined);
  }
  const scale = a.nanos === 0n ? other.scale : Math.min(a.scale, other.scale);
  return new QuantityValue(a.nanos + other.nanos, scale);
}

function subtract(a: QuantityValue, b: QuantityValue | bigint): QuantityValue {
  return add(a, typeof b === "bigint" ? -b : new QuantityValue(-b.nanos, b.scale));
}

function compare(a: QuantityValue, b: QuantityValue): number {
  return a.nanos === b.nanos ? 0 : a.nanos < b.nanos ? -1 : 1;
}

function asInteger(quantity: QuantityValue): Outcome {
  return integerOf(quantity) ?? new ErrorValue("cannot convert value to integer");
}

type Combine = (a: QuantityValue, b: QuantityValue | bigint) => QuantityValue;

const arithmetic = (name: string, combine: Combine): Overload[] => [
  method(`quantity_${name}`, [QUANTITY, QUANTITY], QUANTITY, combine),
  method(`quantity_${name}_int`, [QUANTITY, INT], QUANTITY, combine),
];

export const quantityLibrary: Library = {
  name: "kubernetes.quantity",
  types: [QUANTITY],
  functions: functions({
    quantity: [call("string_to_quantity", [STRING], QUANTITY, quantityOf)],
    isQuantity: [call("is_quantity_string", [STRING], BOOL, isQuantity)],
    // A function where the others are methods, as upstream declares it.
    sign: [
      call("quantity_sign", [QUANTITY], INT, ({ nanos }: QuantityValue) =>
        nanos === 0n ? 0n : nanos < 0n ? -1n : 1n,
      ),
    ],
    ...ordering("quantity", QUANTITY, compare),
    asApproximateFloat: [method("quantity_get_float", [QUANTITY], DOUBLE, approximate)],
    asInteger: [method("quantity_get_int", [QUANTITY], INT, asInteger)],
    isInteger: [
      method(
        "quantity_is_integer",
        [QUANTITY],
        BOOL,
        (each: QuantityValue) => integerOf(each) !== undefined,
      ),
    ],
    add: arithmetic("add", add),
    sub: arithmetic("sub", subtract),
  }),
};
