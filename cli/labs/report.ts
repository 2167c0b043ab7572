import { existsSync } from "node:fs";
import { CommandError } from "../terminal.ts";
import { type CheckOutcome, runLabChecks } from "./check.ts";
import type { Lab } from "./manifest.ts";
import { ownTree } from "./own-tree.ts";

/** Judges the reader's own part. Throws when the lab was not started. */
export async function checkLab(lab: Lab): Promise<CheckOutcome[]> {
  const tree = ownTree(lab.number);
  if (existsSync(tree)) return runLabChecks(lab, [tree]);
  throw new CommandError("NOT_STARTED", `lab ${lab.number} is not started`, {
    remedy: `npm run lab start ${lab.number}`,
  });
}

/** The outcomes for a terminal: passed ones a line each, then the first failure whole. */
export function describeOutcomes(lab: Lab, outcomes: readonly CheckOutcome[]): string {
  const failures = outcomes.filter((outcome) => !outcome.passed);
  const lines = outcomes.map((outcome) => `  ${outcome.passed ? "✓" : "✗"} ${outcome.title}`);
  const first = failures[0];
  const end = first
    ? `\n${first.message}\n\nStuck? npm run lab hint ${lab.number}`
    : `\nAll checks of lab ${lab.number} pass. In the cluster: npm run lab use own ${lab.number}`;
  return [`lab ${lab.number}: ${lab.title}`, ...lines, end].join("\n");
}
