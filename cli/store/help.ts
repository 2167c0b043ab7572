import { FLAGS } from "./flag-table.ts";

const HEAD = `Usage: r2k store [flags]

Serves etcd v3 from a durable store, with etcd's flags, ETCD_* variables or --config-file FILE.
Other words: r2k store verify DIR, r2k store dump DIR, r2k store import FILE.

Flags:
`;

/** Every flag that does something, with what holds when it is not given. */
export function helpText(): string {
  const lines = [...FLAGS.values()]
    .filter(({ use }) => use.does === "acts")
    .map(({ name, kind, fallback }) => {
      const shown = fallback === undefined ? "" : ` (default "${fallback}")`;
      return `  --${name} ${kind}${shown}`;
    });
  return `${HEAD}${lines.join("\n")}\n`;
}
