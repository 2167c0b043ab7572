/**
 * The value that a table has under a name that somebody else chose; undefined for none. A plain
 * `table[name]` finds what every object inherits as well: `constructor`, `toString`.
 */
export function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
