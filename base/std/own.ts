/**
 * Returns a table's own value under an untrusted name, or undefined. `table[name]` would also find
 * inherited properties such as `constructor` and `toString`.
 */
export function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
