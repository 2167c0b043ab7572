import { runLabChecks } from "./check.ts";
import { type Costs, costTable } from "./cost-table.ts";
import type { Lab } from "./manifest.ts";
import { ownTree } from "./own-tree.ts";
import { type CheckRequest, partsUnderCheck } from "./report.ts";

/** Runs the checks with the reference in the lab's place, and compares what they cost. */
export async function costsBeside(lab: Lab, request: CheckRequest, own: Costs): Promise<string[]> {
  const others = partsUnderCheck(lab, request).filter((number) => number !== lab.number);
  const trees = others.map((number) => ownTree(number));
  const { runs, seed, all } = request;
  const { costs } = await runLabChecks(lab, trees, { runs, seed, all });
  return costTable(own, costs);
}
