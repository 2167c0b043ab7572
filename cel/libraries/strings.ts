/** Texts: `"a,b".split(",")`, `name.substring(0, 3)`. cel-go's strings extension, version 2. */
import type { Library } from "../library.ts";
import { TEXT_LENGTH_MAX } from "../limits.ts";
import { lengthOf } from "../operations.ts";
import { DYN, INT, listOf, STRING } from "../types.ts";
import { ArrayList, ErrorValue, type ListValue, type Outcome, type Value } from "../value.ts";
import { positionOf, slice, unitOf } from "./characters.ts";
import { call, functions, method } from "./declare.ts";
import { FORMAT_RULE, formatText } from "./string-format.ts";

const outOfRange = (index: bigint): ErrorValue => new ErrorValue(`index out of range: ${index}`);

const isWithin = (index: bigint, length: number): boolean => index >= 0n && index <= BigInt(length);

function charAt(text: string, index: bigint): Outcome {
  if (!isWithin(index, lengthOf(text))) return outOfRange(index);
  return slice(text, Number(index), Number(index) + 1);
}

function indexOf(text: string, part: string, offset = 0n): Outcome {
  if (part === "") return offset;
  if (offset < 0n) return outOfRange(offset);
  if (offset >= BigInt(text.length)) return -1n;
  return BigInt(positionOf(text, text.indexOf(part, unitOf(text, Number(offset)))));
}

function lastIndexOf(text: string, part: string, offset?: bigint): Outcome {
  if (part === "") return offset ?? BigInt(lengthOf(text));
  if (offset === undefined) return BigInt(positionOf(text, text.lastIndexOf(part)));
  if (offset < 0n) return outOfRange(offset);
  if (offset >= BigInt(lengthOf(text))) return -1n;
  return BigInt(positionOf(text, text.lastIndexOf(part, unitOf(text, Number(offset)))));
}

function substring(text: string, start: bigint, end?: bigint): Outcome {
  const length = lengthOf(text);
  if (end !== undefined && start > end) {
    return new ErrorValue(`invalid substring range. start: ${start}, end: ${end}`);
  }
  if (!isWithin(start, length)) return outOfRange(start);
  if (end !== undefined && !isWithin(end, length)) return outOfRange(end);
  return slice(text, Number(start), end === undefined ? length : Number(end));
}

/** The parts between occurrences, at most `limit` of them: the last has the rest. */
function parts(text: string, separator: string, limit: number): string[] {
  const pieces = separator === "" ? [...text] : text.split(separator);
  if (pieces.length <= limit) return pieces;
  return [...pieces.slice(0, limit - 1), pieces.slice(limit - 1).join(separator)];
}

function split(text: string, separator: string, limit = -1n): ListValue {
  if (limit === 0n) return new ArrayList([]);
  return new ArrayList(parts(text, separator, limit < 0n ? Infinity : Number(limit)));
}

function replace(text: string, old: string, by: string, limit = -1n): Outcome {
  const most = limit < 0n ? Infinity : Number(limit);
  if (old !== "") return joined(parts(text, old, most + 1), by);
  // The empty text is found before each character and at the end.
  const pieces = parts(text, "", most);
  return joined(most > lengthOf(text) ? ["", ...pieces, ""] : ["", ...pieces], by);
}

/** Joins texts, unless the result were longer than any request could be. */
function joined(texts: readonly string[], separator: string): Outcome {
  const length =
    texts.reduce((sum, each) => sum + each.length, 0) +
    separator.length * Math.max(texts.length - 1, 0);
  if (length > TEXT_LENGTH_MAX) {
    return new ErrorValue(`the text would have more than ${TEXT_LENGTH_MAX} characters`);
  }
  return texts.join(separator);
}

function join(list: ListValue, separator = ""): Outcome {
  const texts: string[] = [];
  for (const each of list) {
    if (typeof each !== "string") return new ErrorValue(`join: invalid input: ${String(each)}`);
    texts.push(each);
  }
  return joined(texts, separator);
}

/** Characters that are joined in a step. */
const JOINED_PER_STEP = 16;

/** Steps of joining: for each text, and for its characters. */
function joinSteps([list, separator = ""]: readonly Value[]): number {
  let length = 0;
  for (const each of list as ListValue) {
    length += (typeof each === "string" ? each.length : 0) + (separator as string).length;
  }
  return (list as ListValue).size + length / JOINED_PER_STEP;
}

/** White space by Unicode's property. JavaScript's trim() has U+FEFF in place of U+0085. */
const SPACE = "[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const LEADING = new RegExp(`^${SPACE}+`);
const SPACES = new RegExp(`^${SPACE}$`);

function trim(text: string): string {
  let end = text.length;
  while (end > 0 && SPACES.test(text[end - 1]!)) end--;
  return text.slice(0, end).replace(LEADING, "");
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};

function quote(text: string): string {
  const escaped = text.toWellFormed().replace(/[\x07-\r\\"]/g, (each) => ESCAPES[each]!);
  return `"${escaped}"`;
}

const lowerAscii = (text: string): string => text.replace(/[A-Z]+/g, (each) => each.toLowerCase());

const upperAscii = (text: string): string => text.replace(/[a-z]+/g, (each) => each.toUpperCase());

const TEXTS = listOf(STRING);

export const stringsLibrary: Library = {
  name: "cel.lib.ext.strings",
  validators: [FORMAT_RULE],
  functions: functions({
    charAt: [method("string_char_at_int", [STRING, INT], STRING, charAt)],
    indexOf: [
      method("string_index_of_string", [STRING, STRING], INT, indexOf),
      method("string_index_of_string_int", [STRING, STRING, INT], INT, indexOf),
    ],
    lastIndexOf: [
      method("string_last_index_of_string", [STRING, STRING], INT, lastIndexOf),
      method("string_last_index_of_string_int", [STRING, STRING, INT], INT, lastIndexOf),
    ],
    lowerAscii: [method("string_lower_ascii", [STRING], STRING, lowerAscii)],
    upperAscii: [method("string_upper_ascii", [STRING], STRING, upperAscii)],
    replace: [
      method("string_replace_string_string", [STRING, STRING, STRING], STRING, replace),
      method("string_replace_string_string_int", [STRING, STRING, STRING, INT], STRING, replace),
    ],
    split: [
      method("string_split_string", [STRING, STRING], TEXTS, split),
      method("string_split_string_int", [STRING, STRING, INT], TEXTS, split),
    ],
    substring: [
      method("string_substring_int", [STRING, INT], STRING, substring),
      method("string_substring_int_int", [STRING, INT, INT], STRING, substring),
    ],
    trim: [method("string_trim", [STRING], STRING, trim)],
    join: [
      method("list_join", [TEXTS], STRING, join, { steps: joinSteps }),
      method("list_join_string", [TEXTS, STRING], STRING, join, { steps: joinSteps }),
    ],
    format: [method("string_format", [STRING, listOf(DYN)], STRING, formatText)],
    "strings.quote": [call("strings_quote", [STRING], STRING, quote)],
  }),
};
