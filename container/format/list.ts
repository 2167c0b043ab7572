import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { printable } from "@raft2kube/std/printable.ts";
import { template } from "./template.ts";

/** A list's line: every field, as docker names them. */
export type Line = Readonly<Record<string, string>>;

/** Flags of lists. */
export const LIST = {
  "-q, --quiet": "ids or names alone",
  "--no-trunc": "whole fields",
  "--format <format>": "json, a template, or table TEMPLATE",
} as const;
/** The flag of a list's filters, whose description has their keys. */
export const FILTER = "-f, --filter <filter>...";

/** Tests of a list's items, by the keys of filters, made of a filter's value. */
type Filters<T> = Readonly<Record<string, (value: string) => (item: T) => boolean>>;

/**
 * Returns whether an item passes filters, each `KEY=VALUE` of a key that there is: one of each
 * key's, of labels all.
 */
export function passes<T>(filters: readonly string[], known: Filters<T>): (item: T) => boolean {
  const tests = filters.map((filter) => {
    const [, key = "", value = ""] = /^([a-z]+)=(.*)$/s.exec(filter) ?? [];
    if (Object.hasOwn(known, key)) return { key, test: known[key]!(value) };
    const message = `--filter ${JSON.stringify(filter)} is not supported`;
    throw new RuntimeError("invalid-argument", message);
  });
  const groups = [...Map.groupBy(tests, ({ key }) => key)];
  return (item) =>
    groups.every(([key, group]) =>
      key === "label"
        ? group.every(({ test }) => test(item))
        : group.some(({ test }) => test(item)),
    );
}

/** docker's filters `name=`, a regular expression, and `label=`, of such items, and others. */
export const filtersWith = <T>(
  namesOf: (item: T) => readonly string[],
  labelsOf: (item: T) => Readonly<Record<string, string>>,
  others: Filters<T>,
): Filters<T> => ({
  name: (value) => {
    const pattern = patternOf(value);
    return (item) => namesOf(item).some((name) => pattern.test(name));
  },
  label: (value) => (item) => hasLabel(labelsOf(item), value),
  ...others,
});

function patternOf(value: string): RegExp {
  try {
    return new RegExp(value);
  } catch (cause) {
    const message = `--filter name=${value} is no regular expression`;
    throw new RuntimeError("invalid-argument", message, { cause });
  }
}

/** Whether labels have one of `NAME`, or of `NAME=VALUE`. */
export function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const [name = "", value] = wanted.split(/=(.*)/s);
  return Object.hasOwn(labels, name) && (value === undefined || labels[name] === value);
}

/**
 * Prints a list: a table of `columns`, each a field, `Image`, or one with another heading,
 * `ID=CONTAINER ID`; or by `--format`, or the ids alone.
 */
export function printList(
  lines: readonly Line[],
  columns: string,
  { format = "table", quiet = false }: { format?: string | undefined; quiet?: boolean },
  id = "ID",
): void {
  if (quiet) return print(lines.map((line) => line[id] ?? ""));
  if (format === "json") return print(lines.map((line) => JSON.stringify(line)));
  const isTable = format === "table" || format.startsWith("table ");
  const show = format === "table" ? undefined : template(format.replace(/^table /, ""));
  if (show && !isTable) return print(lines.map(show));
  const headings = new Map(
    columns.split(", ").map((column) => column.split("=") as [string, string | undefined]),
  );
  const names = [...headings.keys()];
  const heading: Line = Object.fromEntries(
    (lines[0] ? Object.keys(lines[0]) : names).map((name) => {
      return [name, headings.get(name) ?? name.toUpperCase()];
    }),
  );
  const rows = [heading, ...lines].map((line) =>
    (show ? show(line).split("\t") : names.map((name) => line[name] ?? "")).map(cell),
  );
  print(aligned(rows));
}

/** A cell of a list, which has one line. */
export function cell(text: string): string {
  return printable(text).replace(/[\n\t]/g, (character) => (character === "\n" ? "\\n" : "\\t"));
}

/** Columns of the width that their longest cell and three spaces need, 10 at least as docker's. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 10, cell.length + 3)));
  }
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join("")
      .trimEnd(),
  );
}

export function print(lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${printable(line)}\n`);
}
