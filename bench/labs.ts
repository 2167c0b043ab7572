import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runLabChecks } from "../labs/runner/check.ts";
import { type Lab, type Mutant, readLabs } from "../labs/runner/manifest.ts";
import { typeCheck } from "../labs/runner/type-check.ts";
import { cacheFolder, writeReference } from "../labs/runner/workspace.ts";
import type { Benchmark, Row } from "./benchmark.ts";

const GOAL = "5 s";

/**
 * Seconds to the verdict of `npm run lab check`, types and all checks: on the reference, where
 * every check runs, and on each planted mistake. Arguments are lab numbers; all by default.
 */
export const labs: Benchmark = async (args) => {
  const rows: Row[] = [];
  for (const lab of readLabs()) {
    if (lab.files.length === 0 || (args.length > 0 && !args.includes(lab.number))) continue;
    for (const mutant of [undefined, ...lab.mutants]) {
      const { took_s, failed } = await verdict(lab, mutant);
      const what = `lab ${lab.number}, ${mutant?.name ?? "the reference"}`;
      const seen = failed === undefined ? "passes" : `fails: ${failed}`;
      process.stderr.write(`${what}: ${took_s.toFixed(1)} s, ${seen}\n`);
      rows.push({ what, unit: "s", ours: Math.round(took_s * 10) / 10, goal: GOAL });
    }
  }
  return rows;
};

async function verdict(lab: Lab, mutant: Mutant | undefined) {
  const tree = mkdtempSync(join(cacheFolder(), "labs-bench-"));
  try {
    writeReference(lab, tree, mutant);
    const begun_ms = performance.now();
    const [{ outcomes }] = await Promise.all([runLabChecks(lab, [tree]), typeCheck(lab, tree)]);
    const failed = outcomes.find((outcome) => !outcome.passed)?.title;
    return { took_s: (performance.now() - begun_ms) / 1_000, failed };
  } finally {
    rmSync(tree, { recursive: true });
  }
}
