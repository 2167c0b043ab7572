import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { FORMAT_DIGITS_MAX, FORMAT_WIDTH_MAX } from "../limits.ts";

const bad = (why: string) => new RuntimeError("invalid-argument", `--format: ${why}`);

/**
 * The field of a document, or the value of a map's key. Documents' fields start with a capital:
 * another key is a map's, which need not have it (Go: `<no value>`).
 */
export function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  const record = value as Record<string, unknown>;
  if (Object.hasOwn(record, name)) return record[name];
  const { Labels } = record;
  if (name === "Label" && typeof Labels === "string") return (key: unknown) => labelOf(Labels, key);
  if (!/^[A-Z]/.test(name)) return undefined;
  throw bad(`there is no field .${name}`);
}

/** A label of a list's line, which has them as `a=b,c=d`. */
function labelOf(labels: string, key: unknown): string {
  const pairs = labels.split(/,(?=[^,=]+=)/).map((pair) => pair.split(/=(.*)/s));
  return pairs.find(([name]) => name === key)?.[1] ?? "";
}

/** A value as Go prints it. */
export function show(value: unknown): string {
  if (value === undefined || value === null) return "<no value>";
  if (Array.isArray(value)) return `[${value.map(show).join(" ")}]`;
  if (typeof value === "object") {
    const pairs = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `map[${pairs.map(([key, inner]) => `${key}:${show(inner)}`).join(" ")}]`;
  }
  return String(value);
}

export function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

const size = (value: unknown) =>
  typeof value === "string" || Array.isArray(value)
    ? value.length
    : Object.keys(value ?? {}).length;

/** An element of a list, or a map's value; a key that a map does not have is its empty value. */
function indexOf(value: unknown, key: unknown): unknown {
  if (Array.isArray(value)) {
    const at = Number(key);
    if (Number.isInteger(at) && at >= 0 && at < value.length) return value[at] as unknown;
  } else if (typeof value === "object" && value !== null) {
    return Object.hasOwn(value, String(key)) ? (value as Record<string, unknown>)[String(key)] : "";
  }
  throw bad(`error calling index: there is no element ${show(key)}`);
}

const VERB = /%([-+ 0]*)(\d+)?(?:\.(\d+))?([svdqtxXfT%])/g;

function printf([format, ...values]: unknown[]): string {
  return show(format).replace(VERB, (_, flags: string, width = "", digits = "", verb: string) => {
    if (verb === "%") return "%";
    const value = values.shift();
    const plain =
      verb === "q"
        ? JSON.stringify(show(value))
        : verb === "f"
          ? Number(value).toFixed(digits === "" ? 6 : Math.min(bounded(digits), FORMAT_DIGITS_MAX))
          : verb.toLowerCase() === "x" && typeof value === "number"
            ? value.toString(16)
            : show(value);
    if (flags.includes("-")) return plain.padEnd(bounded(width));
    return plain.padStart(bounded(width), flags.includes("0") ? "0" : " ");
  });
}

/** A width of a template, within bounds. */
const bounded = (text: unknown) => Math.min(Math.max(Number(text) || 0, 0), FORMAT_WIDTH_MAX);

const compare = (a: unknown, b: unknown) =>
  typeof a === "number" && typeof b === "number"
    ? a - b
    : show(a) < show(b)
      ? -1
      : +(show(a) > show(b));

/** The functions of Go's templates, less `and` and `or`, and docker's. */
export const FUNCTIONS: Readonly<Record<string, (args: unknown[]) => unknown>> = {
  json: ([value]) => JSON.stringify(value ?? null),
  upper: ([value]) => show(value).toUpperCase(),
  lower: ([value]) => show(value).toLowerCase(),
  title: ([value]) => show(value).replace(/(^|\s)(\S)/g, (found) => found.toUpperCase()),
  pad: ([value, left, right]) =>
    value === "" ? "" : " ".repeat(bounded(left)) + show(value) + " ".repeat(bounded(right)),
  truncate: ([value, length]) => show(value).slice(0, Number(length)),
  join: ([list, by]) => (Array.isArray(list) ? list.map(show).join(show(by)) : show(list)),
  split: ([value, by]) => show(value).split(show(by)),
  len: ([value]) => size(value),
  index: ([value, ...keys]) => keys.reduce(indexOf, value),
  slice: ([value, from = 0, to = size(value)]) =>
    (Array.isArray(value) ? value : show(value)).slice(Number(from), Number(to)),
  print: (args) => args.map(show).join(""),
  println: (args) => `${args.map(show).join(" ")}\n`,
  printf,
  not: ([value]) => !isTrue(value),
  eq: ([a, ...others]) => others.includes(a),
  ne: ([a, b]) => a !== b,
  lt: ([a, b]) => compare(a, b) < 0,
  le: ([a, b]) => compare(a, b) <= 0,
  gt: ([a, b]) => compare(a, b) > 0,
  ge: ([a, b]) => compare(a, b) >= 0,
};
