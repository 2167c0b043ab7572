import { ownTree } from "./own-tree.ts";
import { runLabChecks } from "./check.ts";
import type { Lab } from "./manifest.ts";
import { type CheckRequest, partsUnderCheck } from "./report.ts";

/** What a lab's checks cost with a part, by what is counted. */
export type Costs = Readonly<Record<string, number>>;

/** Adds counts of the same things. */
export function sumOfCosts(all: readonly Costs[]): Costs {
  const sum: Record<string, number> = {};
  for (const [name, count] of all.flatMap((costs) => Object.entries(costs))) {
    sum[name] = (sum[name] ?? 0) + count;
  }
  return sum;
}

/** Runs the checks with the reference in the lab's place, and compares what they cost. */
export async function costsBeside(lab: Lab, request: CheckRequest, own: Costs): Promise<string[]> {
  const others = partsUnderCheck(lab, request).filter((number) => number !== lab.number);
  const trees = others.map((number) => ownTree(number));
  const { runs, seed, all } = request;
  const { costs } = await runLabChecks(lab, trees, { runs, seed, all });
  return costTable(own, costs);
}

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
