/**
 * kubectl's JSONPath, of which columns and selectable fields are made: `.spec.a`, `['a']`, `[0]`,
 * `[1:3]`, `[*]`, `[a,b]`, `..a`, `[?(@.type=="Ready")].status`. Source: client-go/util/jsonpath.
 */

import { isObject } from "@raft2kube/apimachinery/json/json.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import {
  JSON_PATH_DEPTH_MAX,
  JSON_PATH_LENGTH_MAX,
  JSON_PATH_RESULTS_MAX,
  JSON_PATH_SEEN_OF_RESULT,
} from "./limits.ts";

/** A path that cannot be read, or a value that it does not fit. */
export class JsonPathError extends CodedError {
  constructor(message: string) {
    super("JSON_PATH", message);
  }
}

/** How many values the steps of a path, and of the paths in it, may still find. */
type Budget = { left: number };

/** One step: from the values so far to the next ones. */
type Step = (values: readonly unknown[], budget: Budget) => readonly unknown[];

/** Finds the values of a parsed path in a value; none where a key is missing. */
export type JsonPath = (value: unknown, budget?: Budget) => readonly unknown[];

/** Parses a path, without the braces of templates. Throws JsonPathError. */
export function parseJsonPath(text: string, depth = 0): JsonPath {
  if (depth > JSON_PATH_DEPTH_MAX) throw new JsonPathError("nested too deeply");
  if (text.length > JSON_PATH_LENGTH_MAX) {
    throw new JsonPathError(`longer than ${JSON_PATH_LENGTH_MAX} characters`);
  }
  const steps: Step[] = [];
  let at = 0;
  while (at < text.length) {
    const rest = text.slice(at);
    const token = TOKENS.map(([pattern, read]) => {
      const match = pattern.exec(rest);
      return match && { length: match[0].length, step: () => read(match, depth) };
    }).find((each) => each !== null);
    if (token == null) throw new JsonPathError(`unrecognized character in action: ${rest[0]}`);
    const step = token.step();
    if (step !== undefined) steps.push(step);
    at += token.length;
  }
  return (value, budget = { left: JSON_PATH_RESULTS_MAX }) => {
    if (steps.length === 0) spend(budget, 1);
    let values: readonly unknown[] = [value];
    for (const step of steps) {
      if (values.length === 0) break;
      values = step(values, budget);
    }
    return values;
  };
}

function spend(budget: Budget, count: number): void {
  budget.left -= count;
  if (budget.left < 0) throw new JsonPathError("finds too many values");
}

/** The step that finds values in each value. */
function each(find: (value: unknown, budget: Budget) => readonly unknown[]): Step {
  return (values, budget) =>
    values.flatMap((value) => {
      const found = find(value, budget);
      spend(budget, Math.max(found.length, 1));
      return found;
    });
}

const NAME = "((?:\\\\.|[^\\s.,[\\]$@{}\\\\])*)";

type Reader = (match: RegExpExecArray, depth: number) => Step | undefined;

const TOKENS: readonly (readonly [RegExp, Reader])[] = [
  [
    /^\[\?\(((?:[^"')]|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')*)\)\]/,
    ([, text], depth) => filter(text!, depth),
  ],
  [/^\.\.(?=[\p{L}\p{N}_])/u, () => recursive],
  [/^\.\./, () => recursive],
  [new RegExp(`^\\.${NAME}`), ([, name]) => field(name!)],
  // After `..`, a name follows without another dot.
  [new RegExp(`^(?=[\\p{L}_])${NAME}`, "u"), ([, name]) => field(name!)],
  [/^\[([^\]\n]*)\]/, ([, text], depth) => bracket(text!, depth)],
  [
    /^(?:"((?:\\.|[^"\\\n])*)"|'((?:\\.|[^'\\\n])*)')/,
    ([, double, single]) => {
      const text = (double ?? single!).replace(/\\(.)/g, "$1");
      return each(() => [text]);
    },
  ],
  [/^[+-]?\d[\d.]*/, ([text]) => each(() => [Number(text)])],
  [/^[ @$]/, () => undefined],
];

function field(name: string): Step {
  if (name === "*") return wildcard;
  const key = name.replaceAll("\\", "");
  return each((value) => (isObject(value) && Object.hasOwn(value, key) ? [value[key]] : []));
}

function membersOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  return isObject(value) ? Object.values(value) : [];
}

const wildcard = each(membersOf);

function recursive(values: readonly unknown[], budget: Budget): readonly unknown[] {
  const found: unknown[] = [];
  const visit = (value: unknown): void => {
    const members = membersOf(value);
    if (members.length === 0) return;
    found.push(value);
    // Each step of `....` looks at all members again, also at those that it leaves out.
    spend(budget, 1 + Math.floor(members.length / JSON_PATH_SEEN_OF_RESULT));
    for (const member of members) visit(member);
  };
  for (const value of values) visit(value);
  return found;
}

function bracket(text: string, depth: number): Step {
  const parts = text.split(",");
  if (parts.length > 1) {
    const paths = parts.map((each) => parseJsonPath(`[${each.trim()}]`, depth + 1));
    return (values, budget) =>
      paths.flatMap((path) => values.flatMap((value) => path(value, budget)));
  }
  const [, key] = /^'([^']*)'$/.exec(text) ?? [];
  if (key !== undefined) {
    const path = parseJsonPath(`.${key}`, depth + 1);
    return each(path);
  }
  return slice(text === "*" ? ":" : text);
}

function slice(text: string): Step {
  const [whole, first = "", second, third] = /^(-?\d*)(:-?\d*)?(:-?\d*)?$/.exec(text) ?? [];
  if (whole === undefined) throw new JsonPathError(`invalid array index ${text}`);
  const numberOf = (part: string | undefined) =>
    part === undefined || part === ":" || part === "" ? undefined : Number(part.replace(":", ""));
  const [from = 0, to, step = 1] = [numberOf(first), numberOf(second), numberOf(third)];
  return each((value) => {
    if (value == null) return [];
    if (!Array.isArray(value)) throw new JsonPathError("is not array or slice");
    const begin = from < 0 ? from + value.length : from;
    let end = second === undefined ? from + 1 : (to ?? value.length);
    if (end < 0 || (end === 0 && second === undefined)) end += value.length;
    if (begin === end) return [];
    if (begin < 0 || begin >= value.length || end < 0 || end > value.length || begin > end) {
      throw new JsonPathError(`array index out of bounds: index ${begin}, length ${value.length}`);
    }
    if (step <= 0) throw new JsonPathError("step must be > 0");
    const count = Math.ceil((end - begin) / step);
    return Array.from({ length: count }, (_, at): unknown => value[begin + at * step]);
  });
}

const COMPARISONS: Readonly<Record<string, (order: number) => boolean>> = {
  "==": (order) => order === 0,
  "!=": (order) => order !== 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
};

/** `@.type=="Ready"`, or the mere presence of what a path finds. */
function filter(text: string, depth: number): Step {
  const [, left, operator = "", right = ""] = /^([^!<>=]+)([!<>=]+)(.+?)$/s.exec(text) ?? [];
  const path = parseJsonPath(left ?? text, depth + 1);
  const compare = left === undefined ? undefined : COMPARISONS[operator];
  if (left !== undefined && compare === undefined) {
    throw new JsonPathError(`unrecognized filter operator ${operator}`);
  }
  const other = left === undefined ? undefined : parseJsonPath(right, depth + 1);
  const passes = (item: unknown, budget: Budget): boolean => {
    const found = path(item, budget);
    if (compare === undefined || other === undefined) return found.length > 0;
    const wanted = other(item, budget);
    if (found.length === 0 || wanted.length === 0) return false;
    if (found.length > 1 || wanted.length > 1) {
      throw new JsonPathError("can only compare one element at a time");
    }
    return compare(order(found[0], wanted[0]));
  };
  return each((value, budget) => {
    if (!Array.isArray(value)) {
      throw new JsonPathError("is not array or slice and cannot be filtered");
    }
    return value.filter((item) => passes(item, budget)) as unknown[];
  });
}

function order(left: unknown, right: unknown): number {
  if (typeof left !== typeof right || typeof left === "object") {
    throw new JsonPathError("incompatible types for comparison");
  }
  if (left === right) return 0;
  return (left as string) < (right as string) ? -1 : 1;
}
