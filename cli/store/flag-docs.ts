import { describeGates } from "./feature-gates.ts";
import { FLAGS, type Flag } from "./flag-table.ts";

/** The part of docs/DIVERGENCE.md about flags that do not do all that etcd's do. */
export function flagDivergence(): string {
  const rows = [...FLAGS.values()]
    .map((flag): [string, string] => [`--${flag.name}`, fateOf(flag)])
    .filter(([, fate]) => fate !== "");
  const gates = describeGates().map(([name, fate]) => [`--feature-gates=${name}`, fate]);
  return [...rows, ...gates].map(([name, fate]) => `| \`${name}\` | ${fate} |`).join("\n");
}

function fateOf({ use, kind }: Flag): string {
  if (use.does === "nothing") return `accepted with a warning: ${use.why}`;
  if (use.does !== "only" || use.why === "") return "";
  if (use.values.length === 0) return `refused: ${use.why}`;
  const values = use.values.map((value) => (value === "" ? "empty" : `\`${value}\``)).join(", ");
  return `only ${kind === "switch" ? values : `as ${values}`}: ${use.why}`;
}
