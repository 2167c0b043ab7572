import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runLabChecks } from "../labs/runner/check.ts";
import { type Lab, type Mutant, readLabs } from "../labs/runner/manifest.ts";
import { typeCheck } from "../labs/runner/type-check.ts";
import { cacheFolder, writeReference } from "../labs/runner/workspace.ts";
import type { Benchmark, Row } from "./benchmark.ts";

const GOAL = "5 s";
/** Planted mistakes of each lab that `drawn` judges. */
const DRAWN = 3;
/** Milliseconds of a clock tick of /proc, and the fields cutime and cstime after the name. */
const TICK_MS = 10;
const CHILDREN = [13, 14] as const;

/**
 * Seconds to the verdict of `npm run lab check`, types and all checks: on the reference, where
 * every check runs, and on each planted mistake; with `drawn` on three of them. On a machine that
 * is busy `processor` measures the seconds of processor time of all processes instead. Other
 * arguments are lab numbers; all by default.
 */
export const labs: Benchmark = async (args) => {
  const rows: Row[] = [];
  const numbers = args.filter((word) => /^\d/.test(word));
  const [isDrawn, isProcessor] = [args.includes("drawn"), args.includes("processor")];
  for (const lab of readLabs()) {
    if (lab.files.length === 0 || (numbers.length > 0 && !numbers.includes(lab.number))) continue;
    const every = Math.max(1, Math.floor(lab.mutants.length / DRAWN));
    const judged = lab.mutants.filter((_, i) => !isDrawn || i % every === every - 1);
    for (const mutant of [undefined, ...judged]) {
      const { took_s, processor_s, failed } = await verdict(lab, mutant);
      const what = `lab ${lab.number}, ${mutant?.name ?? "the reference"}`;
      const seen = failed === undefined ? "passes" : `fails: ${failed}`;
      const times = `${took_s.toFixed(1)} s, processor ${processor_s.toFixed(1)} s`;
      process.stderr.write(`${what}: ${times}, ${seen}\n`);
      const ours = Math.round((isProcessor ? processor_s : took_s) * 10) / 10;
      rows.push({ what, unit: isProcessor ? "s of processor time" : "s", ours, goal: GOAL });
    }
  }
  return rows;
};

/** Processor time of the processes that this one has started, once they have ended. */
function childrenProcessor_s(): number {
  const stat = readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (CHILDREN.reduce((sum, i) => sum + Number(fields[i]), 0) * TICK_MS) / 1_000;
}

async function verdict(lab: Lab, mutant: Mutant | undefined) {
  const tree = mkdtempSync(join(cacheFolder(), "labs-bench-"));
  try {
    writeReference(lab, tree, mutant);
    const begun_ms = performance.now();
    const before_s = childrenProcessor_s();
    const [{ outcomes }] = await Promise.all([runLabChecks(lab, [tree]), typeCheck(lab, tree)]);
    const failed = outcomes.find((outcome) => !outcome.passed)?.title;
    const processor_s = childrenProcessor_s() - before_s;
    return { took_s: (performance.now() - begun_ms) / 1_000, processor_s, failed };
  } finally {
    rmSync(tree, { recursive: true });
  }
}
