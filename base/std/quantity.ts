/**
 * Resource quantities: `100m`, `1.5`, `1Gi`, `12e6`. Exact: an amount is a whole number of
 * billionths, which is the finest step upstream keeps (smaller ones round up, away from zero).
 * Source: behaviour of k8s.io/apimachinery/pkg/api/resource.
 */
import { CodedError } from "./errors.ts";
import { QUANTITY_EXPONENT_MAX, QUANTITY_LENGTH_MAX } from "./limits.ts";

export type QuantityFormat = "decimal" | "binary" | "exponent";

export type ParsedQuantity = { readonly nanos: bigint; readonly format: QuantityFormat };

/** The characters that upstream's parser skips before the suffix. */
const OUTLINE = /^[+-]?\d*(?:\.\d*)?([eEinumkKMGTP]*[+-]?\d*)$/;

function complaintAbout(text: string): string {
  const isLong = text.length > QUANTITY_LENGTH_MAX;
  if (text === "" || isLong || !OUTLINE.test(text)) {
    return (
      "quantities must match the regular expression " +
      "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    );
  }
  return "unable to parse quantity's suffix";
}

/** The text is no quantity. The message is upstream's. */
export class QuantityError extends CodedError {
  constructor(text: string) {
    super("QUANTITY", complaintAbout(text));
  }
}

const NANOS = 1_000_000_000n;
const NANOS_PER_MILLI = 1_000_000n;
const KIBI = 1024n;
/** Amounts further from zero than an int64 are brought back to it, as upstream does. */
const NANOS_MAX = ((1n << 63n) - 1n) * NANOS;

/** The powers of ten of the decimal suffixes. */
export const DECIMAL_EXPONENTS: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  "": 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const DECIMAL_SUFFIXES = new Map(
  Object.entries(DECIMAL_EXPONENTS).map(([suffix, exponent]) => [exponent, suffix]),
);
const BINARY_SUFFIXES = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

const SYNTAX = /^([+-]?)(\d*)(?:\.(\d*))?((?:[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?)$/;

interface Scale {
  readonly format: QuantityFormat;
  readonly exponent: number;
  readonly factor: bigint;
}

function scaleOf(suffix: string): Scale {
  if (suffix.endsWith("i")) {
    const power = BINARY_SUFFIXES.indexOf(suffix);
    return { format: "binary", exponent: 0, factor: KIBI ** BigInt(power) };
  }
  const exponent = DECIMAL_EXPONENTS[suffix];
  if (exponent !== undefined) return { format: "decimal", exponent, factor: 1n };
  return { format: "exponent", exponent: Number(suffix.slice(1)), factor: 1n };
}

/** Reads a quantity. Throws `QuantityError`. */
export function parseQuantity(text: string): ParsedQuantity {
  const match = matchOf(text);
  if (match === undefined) throw new QuantityError(text);
  const [, sign = "", whole = "", fraction = "", suffix = ""] = match;
  const { format, exponent, factor } = scaleOf(suffix);
  const bounded = Math.max(-QUANTITY_EXPONENT_MAX, Math.min(QUANTITY_EXPONENT_MAX, exponent));
  const digits = BigInt(whole + fraction) * factor * NANOS;
  const shift = bounded - fraction.length;
  const size = shift >= 0 ? digits * 10n ** BigInt(shift) : divideUp(digits, 10n ** BigInt(-shift));
  const capped = size > NANOS_MAX ? NANOS_MAX : size;
  return { nanos: sign === "-" ? -capped : capped, format };
}

/** Division of amounts that are not negative, rounded up. */
const divideUp = (amount: bigint, by: bigint): bigint => (amount + by - 1n) / by;

/** Whether a text is a quantity. */
export const isQuantity = (text: string): boolean => matchOf(text) !== undefined;

/** The parts of a text that is a quantity. */
function matchOf(text: string): RegExpExecArray | undefined {
  if (text.length > QUANTITY_LENGTH_MAX) return undefined;
  // A suffix without a digit is 0: `Gi`.
  return text === "" ? undefined : (SYNTAX.exec(text) ?? undefined);
}

/** Writes the canonical form: no fraction, the largest suffix that keeps the number whole. */
export function formatQuantity({ nanos, format }: ParsedQuantity): string {
  if (nanos === 0n) return "0";
  const sign = nanos < 0n ? "-" : "";
  const size = nanos < 0n ? -nanos : nanos;
  if (format === "binary" && size >= KIBI * NANOS) return sign + binaryText(size);
  return sign + decimalText(size, format === "exponent");
}

function binaryText(size: bigint): string {
  let number = divideUp(size, NANOS);
  let power = 0;
  while (number % KIBI === 0n && power < BINARY_SUFFIXES.length - 1) {
    number /= KIBI;
    power++;
  }
  return `${number}${BINARY_SUFFIXES[power]}`;
}

function decimalText(size: bigint, asExponent: boolean): string {
  let number = size;
  let exponent = -9;
  while (number % 1000n === 0n && (asExponent || exponent < 18)) {
    number /= 1000n;
    exponent += 3;
  }
  if (asExponent) return exponent === 0 ? `${number}` : `${number}e${exponent}`;
  return `${number}${DECIMAL_SUFFIXES.get(exponent)}`;
}

/** The canonical form of a text. Throws `QuantityError`. */
export const canonicalQuantity = (text: string): string => formatQuantity(parseQuantity(text));

/** Negative, zero or positive as a is less than, equal to or greater than b. */
export function compareQuantity(a: string, b: string): number {
  const left = parseQuantity(a).nanos;
  const right = parseQuantity(b).nanos;
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The sum, in the notation of `a` (of `b` when a is zero). */
export function addQuantity(a: string, b: string): string {
  const left = parseQuantity(a);
  const right = parseQuantity(b);
  const format = left.nanos === 0n ? right.format : left.format;
  return formatQuantity({ nanos: left.nanos + right.nanos, format });
}

/** The difference, in the notation of `a` (of `b` when a is zero). */
export function subtractQuantity(a: string, b: string): string {
  const left = parseQuantity(a);
  const right = parseQuantity(b);
  const format = left.nanos === 0n ? right.format : left.format;
  return formatQuantity({ nanos: left.nanos - right.nanos, format });
}

function roundedAwayFromZero(nanos: bigint, step: bigint): number {
  return Number(nanos < 0n ? -divideUp(-nanos, step) : divideUp(nanos, step));
}

/** The amount in whole units (bytes, items, cores), rounded up. */
export function valueOf(text: string): number {
  return roundedAwayFromZero(parseQuantity(text).nanos, NANOS);
}

/** The amount rounded up to whole units, in its own notation. */
export function wholeQuantity(text: string): string {
  const { nanos, format } = parseQuantity(text);
  return formatQuantity({ nanos: divideUp(nanos, NANOS) * NANOS, format });
}

/** The amount rounded up to thousandths, away from zero, in its own notation. */
export function milliQuantity(text: string): string {
  const { nanos, format } = parseQuantity(text);
  const size = divideUp(nanos < 0n ? -nanos : nanos, NANOS_PER_MILLI) * NANOS_PER_MILLI;
  return formatQuantity({ nanos: nanos < 0n ? -size : size, format });
}

/** The amount in thousandths (millicores), rounded up. */
export function milliValueOf(text: string): number {
  return roundedAwayFromZero(parseQuantity(text).nanos, NANOS_PER_MILLI);
}

/** A number of units as a quantity: 1048576 bytes in binary notation is `1Mi`. */
export function quantityOf(units: number, format: QuantityFormat = "decimal"): string {
  return formatQuantity({ nanos: BigInt(units) * NANOS, format });
}

/** A number of thousandths as a quantity: 250 is `250m`. */
export function milliQuantityOf(thousandths: number): string {
  return formatQuantity({ nanos: BigInt(thousandths) * NANOS_PER_MILLI, format: "decimal" });
}
