/** Counts by what is counted: `messages`, `processor time` in milliseconds. */
export type Costs = Readonly<Record<string, number>>;

/** Adds counts of the same things. */
export function sumOfCosts(all: readonly Costs[]): Costs {
  const sum: Record<string, number> = {};
  for (const [name, count] of all.flatMap((costs) => Object.entries(costs))) {
    sum[name] = (sum[name] ?? 0) + count;
  }
  return sum;
}

/** Lines that compare the costs of a reader's part with those of the reference. */
export function costTable(own: Costs, reference: Costs): string[] {
  const rows = Object.keys(reference).map((name) => {
    return [name, shown(name, own[name] ?? 0), shown(name, reference[name]!)];
  });
  const table = [["what the checks cost", "yours", "the reference"], ...rows];
  return table.map(([name = "", mine = "", other = ""]) => {
    return `  ${name.padEnd(24)}${mine.padStart(14)}${other.padStart(16)}`;
  });
}

function shown(name: string, count: number): string {
  if (name.includes("time")) return `${(count / 1_000).toFixed(2)} s`;
  return Math.round(count).toLocaleString("en").replaceAll(",", " ");
}
