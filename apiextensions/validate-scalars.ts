/** Checks texts and numbers against a schema, in upstream's words. */
import { floatText, invalid, numberText, tooLong } from "@raft2kube/api/errors.ts";
import { compileRegex } from "@raft2kube/cel/regex.ts";
import type { Findings } from "./findings.ts";
import { hasFormat } from "./formats.ts";
import type { Structural } from "./structural.ts";
import { formatOf, isNearlyWhole, mistyped } from "./validate-type.ts";

/** Checks length, pattern and format; of the first two, the first error is named. */
export function checkString(schema: Structural, value: string, at: string, found: Findings): void {
  const { minLength, maxLength, pattern = "" } = schema;
  const length = minLength === undefined && maxLength === undefined ? 0 : runesOf(value);
  if (maxLength !== undefined && length > maxLength) found.add(tooLong(at, maxLength));
  else if (minLength !== undefined && length < minLength) {
    found.add(invalid(at, value, `${at} in body should be at least ${minLength} chars long`));
  } else if (pattern !== "") {
    const wrong = complaintOf(pattern, value);
    if (wrong !== undefined) found.add(invalid(at, value, `${at} in body should match '${wrong}'`));
  }
  const format = formatOf(schema);
  if (format !== "" && !hasFormat(format, value)) found.add(mistyped(at, format, value));
}

/** Characters as Go counts them; only texts of the schema's own maximum are counted to the end. */
function runesOf(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++, count++) {
    const code = text.charCodeAt(i);
    if (code >= 0xd800 && code < 0xdc00) i++;
  }
  return count;
}

function complaintOf(pattern: string, value: string): string | undefined {
  const compiled = compileRegex(pattern);
  if (typeof compiled === "string") return `${pattern}, but pattern is invalid: ${compiled}`;
  return compiled.test(value) ? undefined : pattern;
}

const FLOAT32_MAX = 3.4028235677973366e38;

/** Checks the range of the type, then multipleOf, minimum and maximum. */
export function checkNumber(
  schema: Structural,
  value: number | bigint,
  at: string,
  found: Findings,
): void {
  const { multipleOf, minimum, maximum } = schema;
  const range = (each: number | bigint, what: string): boolean => {
    const wrong = outOfRange(schema, each);
    if (wrong !== undefined) found.add(invalid("", "", `${what} value must be ${wrong} in ${at}`));
    return wrong === undefined;
  };
  range(value, "Checked");
  const fail = (text: string) => found.add(invalid(at, value, `${at} in body should be ${text}`));
  // Upstream compares whole numbers as such, and cuts the bound's fraction off for that.
  const bound = (each: number, what: string): number =>
    range(each, what) && isWhole(value) ? Math.trunc(each) : each;
  const shown = (each: number) => (isWhole(value) ? numberText(each) : floatText(each));
  if (multipleOf !== undefined) {
    const factor = bound(multipleOf, "MultipleOf");
    if (factor <= 0) {
      const rule = `factor MultipleOf declared for ${at} must be positive: ${factor}`;
      found.add(invalid(at, factor, rule));
    } else if (!isMultiple(value, factor)) fail(`a multiple of ${shown(factor)}`);
  }
  if (minimum !== undefined) {
    const least = bound(minimum, "Minimum boundary");
    const exclusive = schema.exclusiveMinimum === true;
    if (exclusive ? value <= least : value < least) {
      fail(`greater than ${exclusive ? "" : "or equal to "}${shown(least)}`);
    }
  }
  if (maximum !== undefined) {
    const most = bound(maximum, "Maximum boundary");
    const exclusive = schema.exclusiveMaximum === true;
    if (exclusive ? value >= most : value > most) {
      fail(`less than ${exclusive ? "" : "or equal to "}${shown(most)}`);
    }
  }
  found.matches++;
}

/** Integers past 2^53 are bigints, which compare with numbers by their value. */
const isWhole = (value: number | bigint): boolean =>
  typeof value === "bigint" || Number.isSafeInteger(value);

function outOfRange(schema: Structural, value: number | bigint): string | undefined {
  const { type, intOrString } = schema;
  if (intOrString) return undefined;
  const format = formatOf(schema);
  const shown = format === "" ? "(default format)" : `with format ${format}`;
  if (type === "integer") {
    const whole = integerOf(value);
    const bits = format === "int32" ? 32 : 64;
    const fits = whole !== undefined && whole === BigInt.asIntN(bits, whole);
    return fits ? undefined : `of type integer ${shown}`;
  }
  const fits = format !== "float" || Math.abs(Number(value)) < FLOAT32_MAX;
  return fits ? undefined : `of type number ${shown}`;
}

/** A whole number as its shortest text says it, which upstream reads: 2 ** 63 - 1024 ends in 000. */
function integerOf(value: number | bigint): bigint | undefined {
  if (typeof value === "bigint") return value;
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? BigInt(String(value)) : undefined;
}

function isMultiple(value: number | bigint, factor: number): boolean {
  const whole = Number.isInteger(factor);
  if (whole && typeof value === "bigint") return value % BigInt(factor) === 0n;
  const number = Number(value);
  if (whole && isWhole(number)) return number % factor === 0;
  return isNearlyWhole(factor < 1 ? (1 / factor) * number : number / factor);
}
