/** Equality, order and arithmetic of values. Source: cel-spec's langdef; edges are cel-go's. */
import { error, INT_OVERFLOW, NO_OVERLOAD, TIMESTAMP_OVERFLOW, UINT_OVERFLOW } from "./failures.ts";
import { BOOL, BYTES, DOUBLE, INT, NULL, STRING, TYPE, Type, UINT } from "./types.ts";
import {
  Duration,
  ListValue,
  MapValue,
  OpaqueValue,
  OptionalValue,
  type Outcome,
  StructValue,
  Timestamp,
  Uint,
  type Value,
} from "./value.ts";

export const INT_MAX = (1n << 63n) - 1n;
export const INT_MIN = -INT_MAX - 1n;
export const UINT_MAX = (1n << 64n) - 1n;
const NANOS = 1_000_000_000n;
/** Years 1 to 9999. */
const TIMESTAMP_MIN = -62_135_596_800n * NANOS;
const TIMESTAMP_MAX = 253_402_300_800n * NANOS - 1n;

/** The type of a value at run time. */
export function typeOfValue(value: Value): Type {
  switch (typeof value) {
    case "boolean":
      return BOOL;
    case "bigint":
      return INT;
    case "number":
      return DOUBLE;
    case "string":
      return STRING;
    default:
      if (value === null) return NULL;
      if (value instanceof Uint8Array) return BYTES;
      if (value instanceof Uint) return UINT;
      return value instanceof Type ? TYPE : value.type;
  }
}

function isNumber(value: Value): value is bigint | number | Uint {
  return typeof value === "bigint" || typeof value === "number" || value instanceof Uint;
}

/** Compares numbers of any types; integers beyond a double's precision are rounded to it. */
function compareNumbers(a: bigint | number | Uint, b: bigint | number | Uint): number {
  const left = a instanceof Uint ? a.value : a;
  const right = b instanceof Uint ? b.value : b;
  if (typeof left === typeof right) return left < right ? -1 : left > right ? 1 : 0;
  const [x, y] = [Number(left), Number(right)];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Compares texts by code points. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const [x, y] = [a.charCodeAt(index), b.charCodeAt(index)];
    if (x === y) continue;
    // Surrogates stand for code points above all other units.
    const [high, low] = [x >= 0xd800 && x <= 0xdfff, y >= 0xd800 && y <= 0xdfff];
    if (high !== low) return high ? 1 : -1;
    return x < y ? -1 : 1;
  }
  return a.length < b.length ? -1 : 1;
}

/** The order of two values; an error when they have none. */
export function compare(a: Value, b: Value): number | Outcome {
  if (isNumber(a) && isNumber(b)) {
    if (Number.isNaN(a) || Number.isNaN(b)) return error("NaN values cannot be ordered");
    return compareNumbers(a, b);
  }
  if (typeof a === "string" && typeof b === "string") return compareText(a, b);
  if (typeof a === "boolean" && typeof b === "boolean") return Number(a) - Number(b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  if (
    (a instanceof Timestamp && b instanceof Timestamp) ||
    (a instanceof Duration && b instanceof Duration)
  ) {
    return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
  }
  return NO_OVERLOAD;
}

type Pay = (steps: number) => void;

let payer: Pay | undefined;

/** Runs an evaluation that pays for what comparing the items of values takes. */
export function paying<T>(pay: Pay, run: () => T): T {
  const outer = payer;
  payer = pay;
  try {
    return run();
  } finally {
    payer = outer;
  }
}

/** Takes steps of the evaluation under way. Throws StepsExceededError. */
export function pay(steps: number): void {
  payer?.(steps);
}

/** Characters and octets that are compared in a step. */
const COMPARED_PER_STEP = 2048;
/** Keys of a map that are listed in a step. */
const KEYS_PER_STEP = 16;

/** Steps of listing a map's keys, which its size is counted by. */
export function keysSteps(value: Value): number {
  return value instanceof MapValue ? value.size / KEYS_PER_STEP : 0;
}

/** Whether two values are equal; values of different types are not, except numbers. */
export function equals(a: Value, b: Value): boolean {
  if (typeof a === "string" && typeof b === "string" && a.length === b.length) {
    pay(a.length / COMPARED_PER_STEP);
  }
  if (a === b) return true;
  if (isNumber(a) && isNumber(b)) {
    return !Number.isNaN(a) && !Number.isNaN(b) && compareNumbers(a, b) === 0;
  }
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof ListValue) {
    if (a.equals !== undefined) return a.equals(b);
    return b instanceof ListValue && equalLists(a, b);
  }
  if (a instanceof MapValue) {
    if (a.equals !== undefined) return a.equals(b);
    return b instanceof MapValue && equalMaps(a, b);
  }
  if (a instanceof StructValue || a instanceof OpaqueValue) return a.equals(b);
  return equalScalars(a, b);
}

function equalScalars(a: Value, b: Value): boolean {
  if (a instanceof Uint8Array) {
    pay(a.length / COMPARED_PER_STEP);
    return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  }
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos;
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos;
  if (a instanceof Type) return b instanceof Type && a.name === b.name;
  if (!(a instanceof OptionalValue && b instanceof OptionalValue)) return false;
  if (a.value === undefined || b.value === undefined) return a.value === b.value;
  return equals(a.value, b.value);
}

function equalLists(a: ListValue, b: ListValue): boolean {
  if (a.size !== b.size) return false;
  for (let index = 0; index < a.size; index++) {
    pay(1);
    if (!equals(a.at(index), b.at(index))) return false;
  }
  return true;
}

function equalMaps(a: MapValue, b: MapValue): boolean {
  if (a.size !== b.size) return false;
  pay(keysSteps(a));
  for (const key of a.keys()) {
    pay(1);
    const other = b.get(key);
    if (other === undefined || !equals(a.get(key)!, other)) return false;
  }
  return true;
}

/** Whether a list has an item, or a map a key. */
export function contains(value: Value, within: ListValue | MapValue): boolean {
  if (within instanceof MapValue) return within.get(value) !== undefined;
  for (let index = 0; index < within.size; index++) {
    if (equals(value, within.at(index))) return true;
  }
  return false;
}

export function int(value: bigint): Outcome {
  return value > INT_MAX || value < INT_MIN ? INT_OVERFLOW : value;
}

export function uint(value: bigint): Outcome {
  return value > UINT_MAX || value < 0n ? UINT_OVERFLOW : new Uint(value);
}

/** A duration; its overflow is an integer's, as cel-go has it. */
export function duration(nanos: bigint): Outcome {
  return nanos > INT_MAX || nanos < INT_MIN ? INT_OVERFLOW : new Duration(nanos);
}

export function timestamp(nanos: bigint, offset_s = 0): Outcome {
  return nanos > TIMESTAMP_MAX || nanos < TIMESTAMP_MIN
    ? TIMESTAMP_OVERFLOW
    : new Timestamp(nanos, offset_s);
}

/** Code points of a text. */
export function lengthOf(text: string): number {
  if (!/[\ud800-\udbff]/.test(text)) return text.length;
  let length = text.length;
  for (let index = 1; index < text.length; index++) {
    if (isLow(text.charCodeAt(index)) && isHigh(text.charCodeAt(index - 1))) length--;
  }
  return length;
}

const isHigh = (unit: number): boolean => (unit & 0xfc00) === 0xd800;
const isLow = (unit: number): boolean => (unit & 0xfc00) === 0xdc00;

/** The size of the smaller of two values. Of texts it counts no more of a longer one. */
export function smallerSize(a: Outcome, b: Outcome): number {
  if (typeof a === "string" && typeof b === "string") {
    // Two units are one code point at most.
    if (2 * a.length <= b.length) return lengthOf(a);
    if (2 * b.length <= a.length) return lengthOf(b);
  }
  return Math.min(costSize(a), costSize(b));
}

/** The size that costs count: of what has one, and 1 of all else. */
export function costSize(outcome: Outcome): number {
  if (typeof outcome === "string") return lengthOf(outcome);
  if (typeof outcome !== "object" || outcome === null) return 1;
  if (outcome instanceof Uint8Array) return outcome.length;
  if (outcome instanceof ListValue || outcome instanceof MapValue) return outcome.size;
  if (outcome instanceof OpaqueValue) return outcome.costSize ?? 1;
  if (outcome instanceof OptionalValue && outcome.value !== undefined) {
    return costSize(outcome.value);
  }
  return 1;
}
