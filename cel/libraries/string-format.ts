/**
 * `"%s has %d".format([name, count])`: the clauses of cel-go's strings extension before its version
 * 4, whose `%f` and `%e` write numbers as American English does.
 */
import { goQuoted } from "@raft2kube/std/go-quote.ts";
import type { Expr } from "../ast.ts";
import { toText } from "../conversions.ts";
import { error } from "../failures.ts";
import type { Validator } from "../library.ts";
import { DIGITS_MAX, TEXT_LENGTH_MAX } from "../limits.ts";
import { compareText, pay, typeOfValue } from "../operations.ts";
import { type Kind, Type } from "../types.ts";
import {
  Duration,
  ErrorValue,
  isError,
  ListValue,
  MapValue,
  type Outcome,
  Timestamp,
  Uint,
  type Value,
} from "../value.ts";
import { fixedDigits, scientificDigits } from "./decimal.ts";

/** A clause that is none, or does not fit its argument. */
class FormatError extends Error {
  override readonly name = "FormatError";
}

const DEFAULT_PRECISION = 6;

const TEXT_RULE =
  "string clause can only be used on strings, bools, bytes, ints, doubles, maps, " +
  "lists, types, durations, and timestamps";
const DECIMAL_RULE = "decimal clause can only be used on integers";
const FIXED_RULE = "fixed-point clause can only be used on doubles";
const SCIENTIFIC_RULE = "scientific clause can only be used on doubles";
const BINARY_RULE = "only integers and bools can be formatted as binary";
const OCTAL_RULE = "octal clause can only be used on integers";
const HEXADECIMAL_RULE = "only integers, byte buffers, and strings can be formatted as hex";

const TEXT_KINDS: readonly Kind[] = [
  "list",
  "map",
  "int",
  "uint",
  "double",
  "bool",
  "string",
  "timestamp",
  "bytes",
  "duration",
  "type",
  "null",
];
const HEXADECIMAL_KINDS: readonly Kind[] = ["int", "uint", "string", "bytes"];

const SUPERSCRIPTS = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079";

function refuse(rule: string, value: Value): never {
  throw new FormatError(unfit(rule, typeOfValue(value)));
}

function unfit(rule: string, type: Type): string {
  return `error during formatting: ${rule}, was given ${type.name}`;
}

/** A number's text with its sign before what `digits` makes of its size. */
function signed(value: number, digits: (size: number) => string): string {
  if (Number.isNaN(value)) return "NaN";
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  return sign + (Number.isFinite(value) ? digits(Math.abs(value)) : "\u221e");
}

/** The double that `%f` and `%e` write; infinities and NaN may be given as texts. */
function doubleOf(value: Value, rule: string): number {
  if (typeof value === "number") return value;
  if (value === "NaN" || value === "Infinity" || value === "-Infinity") return Number(value);
  return refuse(rule, value);
}

function fixed(value: Value, precision: number): string {
  return signed(doubleOf(value, FIXED_RULE), (size) =>
    fixedDigits(size, precision).replace(/\d(?=(?:\d{3})+(?:\.|$))/g, (digit, at, whole: string) =>
      whole.includes(".") && at > whole.indexOf(".") ? digit : `${digit},`,
    ),
  );
}

/** The library that upstream writes numbers with ignores the precision here. */
function scientific(value: Value): string {
  return signed(doubleOf(value, SCIENTIFIC_RULE), (size) => {
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
  return String(integer ?? refuse(DECIMAL_RULE, value));
}

function binary(value: Value): string {
  const integer = typeof value === "boolean" ? BigInt(value) : integerOf(value);
  return integer?.toString(2) ?? refuse(BINARY_RULE, value);
}

const octal = (value: Value): string => integerOf(value)?.toString(8) ?? refuse(OCTAL_RULE, value);

function hexadecimal(value: Value): string {
  if (typeof value === "string") return Buffer.from(value).toString("hex");
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  return integerOf(value)?.toString(16) ?? refuse(HEXADECIMAL_RULE, value);
}

function text(value: Value, _precision = 0, fail = unfitText): string {
  if (value === null) return "null";
  if (value instanceof ListValue) return listText(value);
  if (value instanceof MapValue) return mapText(value);
  const converted: Outcome = value instanceof Type ? value.name : toText(value);
  if (typeof converted === "string") return converted;
  if (typeof value === "object" && value instanceof Uint8Array && isError(converted)) {
    throw new FormatError(`error during formatting: ${converted.message}`);
  }
  return fail(value);
}

const unfitText = (value: Value): never => refuse(TEXT_RULE, value);

function unfitLiteral(value: Value): never {
  throw new FormatError(
    `error during formatting: no formatting function for ${typeOfValue(value).name}`,
  );
}

/** Characters that are quoted in a step. */
const QUOTED_PER_STEP = 16;

/** A value within a list or map: a literal of the language. */
function literal(value: Value): string {
  pay(1 + (typeof value === "string" ? value.length / QUOTED_PER_STEP : 0));
  if (typeof value === "string") return goQuoted(value);
  if (typeof value === "number") {
    return Number.isFinite(value)
      ? signed(value, (size) => fixedDigits(size, DEFAULT_PRECISION))
      : `"${text(value)}"`;
  }
  if (value instanceof Uint8Array) return `b${goQuoted(text(value))}`;
  if (value instanceof Timestamp) return `timestamp(${goQuoted(text(value))})`;
  if (value instanceof Duration) return `duration(${goQuoted(text(value))})`;
  return text(value, 0, unfitLiteral);
}

const listText = (list: ListValue): string => `[${[...list].map(literal).join(", ")}]`;

function mapText(map: MapValue): string {
  const entries = [...map.keys()].map((key) => [literal(key), literal(map.get(key)!)] as const);
  entries.sort(([a], [b]) => compareText(a, b));
  return `{${entries.map(([key, value]) => `${key}:${value}`).join(", ")}}`;
}

interface Clause {
  readonly write: (value: Value, precision: number) => string;
  /** Kinds of arguments that it writes, and the error about others. */
  readonly kinds: readonly Kind[];
  readonly rule: string;
}

const CLAUSES: Readonly<Record<string, Clause>> = {
  s: { write: text, kinds: TEXT_KINDS, rule: TEXT_RULE },
  d: { write: decimal, kinds: ["int", "uint"], rule: DECIMAL_RULE },
  f: { write: fixed, kinds: ["double", "string"], rule: FIXED_RULE },
  e: { write: scientific, kinds: ["double", "string"], rule: SCIENTIFIC_RULE },
  b: { write: binary, kinds: ["int", "uint", "bool"], rule: BINARY_RULE },
  o: { write: octal, kinds: ["int", "uint"], rule: OCTAL_RULE },
  x: { write: hexadecimal, kinds: HEXADECIMAL_KINDS, rule: HEXADECIMAL_RULE },
  X: {
    write: (value) => hexadecimal(value).toUpperCase(),
    kinds: HEXADECIMAL_KINDS,
    rule: HEXADECIMAL_RULE,
  },
};

const CLAUSE = /%(?:(%)|(?:\.(\d*))?(.?))/gsu;

/** The clause of a letter, with its precision. */
function clauseOf(
  precision: string | undefined,
  letter: string,
): { readonly clause: Clause; readonly digits: number } {
  const digits = precision === undefined ? DEFAULT_PRECISION : Number(precision);
  const parse = "could not parse formatting clause: ";
  const inPrecision = `${parse}error while parsing precision: `;
  if (precision === "" || digits > DIGITS_MAX) {
    const why = precision === "" ? "invalid syntax" : "value out of range";
    throw new FormatError(
      `${inPrecision}error while converting precision to integer: ` +
        `strconv.Atoi: parsing "${precision}": ${why}`,
    );
  }
  if (letter === "" && precision === undefined) throw new FormatError("unexpected end of string");
  if (letter === "") {
    throw new FormatError(`${inPrecision}could not find end of precision specifier`);
  }
  if (!Object.hasOwn(CLAUSES, letter)) {
    throw new FormatError(`${parse}unrecognized formatting clause "${letter}"`);
  }
  return { clause: CLAUSES[letter]!, digits };
}

/** A text with its clauses replaced. Throws FormatError. */
function replaceClauses(
  format: string,
  count: number,
  write: (clause: Clause, index: number, digits: number) => string,
): { readonly text: string; readonly used: number } {
  let used = 0;
  let length = format.length;
  const replace = (_: string, percent?: string, precision?: string, letter = ""): string => {
    if (percent !== undefined) return percent;
    if (used >= count) throw new FormatError(`index ${used} out of range`);
    const { clause, digits } = clauseOf(precision, letter);
    const written = write(clause, used++, digits);
    length += written.length;
    if (length > TEXT_LENGTH_MAX) {
      throw new FormatError(`the text would have more than ${TEXT_LENGTH_MAX} characters`);
    }
    return written;
  };
  return { text: format.replace(CLAUSE, replace), used };
}

/** The text with its clauses replaced by arguments. */
export function formatText(format: string, args: ListValue): string | ErrorValue {
  try {
    return replaceClauses(format, args.size, (clause, index, digits) =>
      clause.write(args.at(index), digits),
    ).text;
  } catch (thrown) {
    if (!(thrown instanceof FormatError)) throw thrown;
    return error(thrown.message);
  }
}

/** Checks calls of a literal with a list of arguments. */
export const FORMAT_RULE: Validator = {
  functions: ["format"],
  check(call, { typeOf, report }) {
    const [list] = call.args;
    const { target } = call;
    if (list?.is !== "list" || target?.is !== "literal" || target.value.type !== "string") return;
    let at: Expr = call;
    try {
      const { used } = replaceClauses(target.value.value, list.items.length, (clause, index) => {
        const wrong = misfit(clause, list.items[index]!.value, typeOf);
        if (wrong === undefined) return "";
        at = wrong;
        throw new FormatError(unfit(clause.rule, typeOf(wrong)));
      });
      if (list.items.length > used) {
        report(
          "too many arguments supplied to string.format " +
            `(expected ${used}, got ${list.items.length})`,
          call,
        );
      }
    } catch (thrown) {
      if (!(thrown instanceof FormatError)) throw thrown;
      report(thrown.message, at);
    }
  },
};

/** The argument that a clause cannot write, or the part of a literal that it is. */
function misfit(clause: Clause, expr: Expr, typeOf: (expr: Expr) => Type): Expr | undefined {
  const { kind } = typeOf(expr);
  if (kind !== "dyn" && !clause.kinds.includes(kind)) return expr;
  if (clause.kinds !== TEXT_KINDS) return undefined;
  const parts =
    expr.is === "list"
      ? expr.items.map(({ value }) => value)
      : expr.is === "map"
        ? expr.entries.flatMap(({ key, value }) => [key, value])
        : [];
  for (const part of parts) {
    const wrong = misfit(clause, part, typeOf);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}
