import { existsSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { type Step, stepsOf } from "../testing/script.ts";

/** Reads a value of a column; throws an error when it is of another kind. */
type Column<T> = (value: unknown) => T;
type Columns = Readonly<Record<string, Column<unknown>>>;
type Row<C extends Columns> = { readonly [Name in keyof C]: ReturnType<C[Name]> };
type Tables = Readonly<Record<string, Columns>>;

/** The file with the tables of a check file: `gpu.yaml` of `gpu.check.ts`. */
export const tablesOf = (checkFile: string): string => checkFile.replace(/\.check\.ts$/, ".yaml");

/** A check file's text with that of its tables: the titles of all its checks are in it. */
export function textWithTables(checkFile: string): string {
  const files = [checkFile, tablesOf(checkFile)].filter((file) => existsSync(file));
  return files.map((file) => readFileSync(file, "utf8")).join("\n");
}

/**
 * Reads the tables of a check file: a row is a list with a value for each column, in their order.
 * Throws a RangeError that names the place for a table, a row or a value that does not fit.
 */
export function clauses<T extends Tables>(
  { filename }: Pick<ImportMeta, "filename">,
  tables: T,
): { readonly [Name in keyof T]: readonly Row<T[Name]>[] } {
  const file = tablesOf(filename);
  const given = parse(readFileSync(file, "utf8")) as Record<string, unknown[]> | null;
  const unknown = Object.keys(given ?? {}).filter((name) => !(name in tables));
  if (unknown.length > 0) throw new RangeError(`${file}: the check has no table ${unknown.join()}`);
  const read = Object.entries(tables).map(([name, columns]) => {
    const rows = given?.[name] ?? [];
    if (rows.length === 0) throw new RangeError(`${file}: the table ${name} has no rows`);
    return [name, rows.map((row, at) => rowOf(`${file}: ${name}[${at}]`, row, columns))];
  });
  return Object.fromEntries(read) as ReturnType<typeof clauses<T>>;
}

function rowOf(place: string, row: unknown, columns: Columns): Row<Columns> {
  const names = Object.keys(columns);
  if (!Array.isArray(row) || row.length !== names.length) {
    const has = Array.isArray(row) ? `has ${row.length} values` : "is no list";
    throw new RangeError(`${place} ${has}, the columns are ${names.join(", ")}`);
  }
  const read = Object.entries(columns).map(([name, column], at) => {
    try {
      return [name, column(row[at])];
    } catch (thrown) {
      throw new RangeError(`${place}: ${name}: ${String(thrown)}`, { cause: thrown });
    }
  });
  return Object.fromEntries(read) as Row<Columns>;
}

/** A text, or a number in digits. */
export function text(value: unknown): string {
  if (typeof value === "string" || typeof value === "number") return String(value);
  throw new TypeError(`${JSON.stringify(value)} is no text`);
}

export function number(value: unknown): number {
  if (typeof value === "number") return value;
  throw new TypeError(`${JSON.stringify(value)} is no number`);
}

export function flag(value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new TypeError(`${JSON.stringify(value)} is neither true nor false`);
}

/** A text of words between spaces. */
export const words = (value: unknown): string[] => text(value).split(" ").filter(Boolean);

/** A value as it is in the file, in the type that the check takes it for. */
export const as =
  <T>(): Column<T> =>
  (value) =>
    value as T;

/** A value that is absent where the table has `null`. */
export const optional =
  <T>(column: Column<T>): Column<T | undefined> =>
  (value) =>
    value === null ? undefined : column(value);

/** A script in a line: `add a | take: a | close: the end, the end`. */
export const steps = (value: unknown): Step[] => stepsOf(text(value));
