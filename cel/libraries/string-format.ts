/**
 * `"%s has %d".format([name, count])`: the clauses of cel-go's strings extension before its version
 * 4, whose `%f` and `%e` write numbers as American English does.
 */
import { goQuoted } from "@raft2kube/std/go-quote.ts";
import { toText } from "../conversions.ts";
import { error } from "../failures.ts";
import { compareText, typeOfValue } from "../operations.ts";
import { Type } from "../types.ts";
import {
  Duration, ErrorValue, isError, ListValue, MapValue, type Outcome, Timestamp, Uint, type Value,
} from "../value.ts";
import { fixedDigits, scientificDigits } from "./decimal.ts";
import { DIGITS_MAX, TEXT_LENGTH_MAX } from "./limits.ts";

/** A clause that is none, or does not fit its argument. */
class FormatError extends Error {
  override readonly name = "FormatError";
}

const DEFAULT_PRECISION = 6;
const SUPERSCRIPTS = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079";

function refuse(rule: string, value: Value): never {
  throw new FormatError(
    `error during formatting: ${rule}, was given ${typeOfValue(value).name}`);
}

/** A number's text with its sign before what `digits` makes of its size. */
function signed(value: number, digits: (size: number) => string): string {
  if (Number.isNaN(value)) return "NaN";
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  return sign + (Number.isFinite(value) ? digits(Math.abs(value)) : "\u221e");
}

/** The double that `%f` and `%e` write; infinities and NaN may be given as texts. */
function doubleOf(value: Value, clause: string): number {
  if (typeof value === "number") return value;
  if (value === "NaN" || value === "Infinity" || value === "-Infinity") return Number(value);
  return refuse(`${clause} clause can only be used on doubles`, value);
}

function fixed(value: Value, precision: number): string {
  return signed(doubleOf(value, "fixed-point"), (size) =>
    fixedDigits(size, precision).replace(/\d(?=(?:\d{3})+(?:\.|$))/g, (digit, at, whole: string) =>
      whole.includes(".") && at > whole.indexOf(".") ? digit : `${digit},`));
}

/** The library that upstream writes numbers with ignores the precision here. */
function scientific(value: Value): string {
  return signed(doubleOf(value, "scientific"), (size) => {
    const { digits, exponent } = scientificDigits(size, DEFAULT_PRECISION);
    const power = String(Math.abs(exponent)).padStart(2, "0");
    const raised = power.replace(/\d/g, (digit) => SUPERSCRIPTS[Number(digit)]!);
    return `${digits}\u00d710${exponent < 0 ? "\u207b" : ""}${raised}`;
  });
}

function integerOf(value: Value): bigint | undefined {
  return value instanceof Uint ? value.value : typeof value === "bigint" ? value : undefined;
}

function decimal(value: Value): string {
  const integer = integerOf(value);
  return String(integer ?? refuse("decimal clause can only be used on integers", value));
}

function binary(value: Value): string {
  const integer = typeof value === "boolean" ? BigInt(value) : integerOf(value);
  const rule = "only integers and bools can be formatted as binary";
  return integer?.toString(2) ?? refuse(rule, value);
}

function octal(value: Value): string {
  return integerOf(value)?.toString(8) ??
    refuse("octal clause can only be used on integers", value);
}

function hexadecimal(value: Value): string {
  if (typeof value === "string") return Buffer.from(value).toString("hex");
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  const rule = "only integers, byte buffers, and strings can be formatted as hex";
  return integerOf(value)?.toString(16) ?? refuse(rule, value);
}

function text(value: Value, _precision = 0, unfit = unfitText): string {
  if (value === null) return "null";
  if (value instanceof ListValue) return listText(value);
  if (value instanceof MapValue) return mapText(value);
  const converted: Outcome = value instanceof Type ? value.name : toText(value);
  if (typeof converted === "string") return converted;
  if (typeof value === "object" && value instanceof Uint8Array && isError(converted)) {
    throw new FormatError(`error during formatting: ${converted.message}`);
  }
  return unfit(value);
}

function unfitText(value: Value): never {
  return refuse(
    "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, " +
      "durations, and timestamps", value);
}

function unfitLiteral(value: Value): never {
  throw new FormatError(
    `error during formatting: no formatting function for ${typeOfValue(value).name}`);
}

/** A value within a list or map: a literal of the language. */
function literal(value: Value): string {
  if (typeof value === "string") return goQuoted(value);
  if (typeof value === "number") {
    return Number.isFinite(value) ? signed(value, (size) => fixedDigits(size, DEFAULT_PRECISION))
      : `"${text(value)}"`;
  }
  if (value instanceof Uint8Array) return `b${goQuoted(text(value))}`;
  if (value instanceof Timestamp) return `timestamp(${goQuoted(text(value))})`;
  if (value instanceof Duration) return `duration(${goQuoted(text(value))})`;
  return text(value, 0, unfitLiteral);
}

function listText(list: ListValue): string {
  return `[${[...list].map(literal).join(", ")}]`;
}

function mapText(map: MapValue): string {
  const entries = [...map.keys()].map((key) => [literal(key), literal(map.get(key)!)] as const);
  entries.sort(([a], [b]) => compareText(a, b));
  return `{${entries.map(([key, value]) => `${key}:${value}`).join(", ")}}`;
}

const CLAUSES: Readonly<Record<string, (value: Value, precision: number) => string>> = {
  s: text,
  d: decimal,
  f: fixed,
  e: scientific,
  b: binary,
  o: octal,
  x: hexadecimal,
  X: (value) => hexadecimal(value).toUpperCase(),
};

const CLAUSE = /%(?:(%)|(?:\.(\d*))?(.?))/gsu;

function clause(value: Value, precision: string | undefined, letter: string): string {
  const digits = precision === undefined ? DEFAULT_PRECISION : Number(precision);
  const parse = "could not parse formatting clause: ";
  if (precision === "" || digits > DIGITS_MAX) {
    throw new FormatError(`${parse}error while parsing precision: ${precision}`);
  }
  if (letter === "" && precision === undefined) throw new FormatError("unexpected end of string");
  if (letter === "") {
    throw new FormatError(
      `${parse}error while parsing precision: could not find end of precision specifier`);
  }
  if (!Object.hasOwn(CLAUSES, letter)) {
    throw new FormatError(`${parse}unrecognized formatting clause "${letter}"`);
  }
  return CLAUSES[letter]!(value, digits);
}

/** The text with its clauses replaced by arguments. */
export function formatText(format: string, args: ListValue): string | ErrorValue {
  let next = 0;
  let length = format.length;
  try {
    return format.replace(CLAUSE, (_, percent?: string, precision?: string, letter = "") => {
      if (percent !== undefined) return percent;
      if (next >= args.size) throw new FormatError(`index ${next} out of range`);
      const replaced = clause(args.at(next++), precision, letter);
      length += replaced.length;
      if (length > TEXT_LENGTH_MAX) {
        throw new FormatError(`the text would have more than ${TEXT_LENGTH_MAX} characters`);
      }
      return replaced;
    });
  } catch (thrown) {
    if (!(thrown instanceof FormatError)) throw thrown;
    return error(thrown.message);
  }
}
