import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { printable } from "@raft2kube/std/printable.ts";
import { template } from "./template.ts";

/** A list's line: every field, as docker names them. */
export type Line = Readonly<Record<string, string>>;

export interface ListFlags {
  format?: string;
  quiet?: boolean;
  /** Fields in whole. */
  trunc?: boolean;
}

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

/** The test of docker's `name=`: a regular expression. */
export function namePattern(value: string): (name: string) => boolean {
  try {
    const pattern = new RegExp(value);
    return (name) => pattern.test(name);
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

/** Prints a list: a table of `columns` (heading by field), or by `--format`, or the ids alone. */
export function printList(
  lines: readonly Line[],
  columns: Readonly<Record<string, string>>,
  { format, quiet }: ListFlags,
  id = "ID",
): void {
  if (quiet) return print(lines.map((line) => line[id] ?? ""));
  if (format === "json") return print(lines.map((line) => JSON.stringify(line)));
  if (format !== undefined && format !== "table" && !format.startsWith("table ")) {
    return print(lines.map(template(format)));
  }
  if (format?.startsWith("table ")) {
    const show = template(format.slice("table ".length));
    const all: Record<string, string> = Object.fromEntries(
      Object.keys(lines[0] ?? columns).map((name) => [name, columns[name] ?? name.toUpperCase()]),
    );
    return print(aligned([all, ...lines].map((line) => show(line).split("\t").map(cell))));
  }
  const cells = lines.map((line) => Object.keys(columns).map((name) => cell(line[name] ?? "")));
  print(aligned([Object.values(columns), ...cells]));
}

/** A cell of a list, which has one line. */
export function cell(text: string): string {
  return printable(text).replace(/[\n\t]/g, (character) => (character === "\n" ? "\\n" : "\\t"));
}

/** Columns of the width that their longest cell needs. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)));
  }
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join("   ")
      .trimEnd(),
  );
}

export function print(lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${printable(line)}\n`);
}
