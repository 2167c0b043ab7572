import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MUTANT_SEEDS, SEED_REAL_TIME_MS_MAX } from "../limits.ts";
import { ELSEWHERE, MUTANTS } from "./all.ts";
import { catchMutant } from "./hunt.ts";

/** Each kind of seam once. */
const SAMPLE = [
  "acknowledges before the sync",
  "commits with one voter less than a majority",
  "loses its vote at a restart",
  "answers reads without a quorum",
  "applies the last command again after a restart",
  "loses some events of a watch",
  "drops events of a full stream",
] as const;

test.each(SAMPLE)(
  "a member that %s is detected by one of its checkers",
  async (name) => {
    const { seams, noticedBy } = MUTANTS.find((each) => each.name === name)!;
    const caught = await catchMutant({ seams }, { swarm: true }, 1, MUTANT_SEEDS);
    expect(noticedBy, caught?.message).toContain(caught?.checker);
  },
  MUTANT_SEEDS * SEED_REAL_TIME_MS_MAX,
);

test("docs/sim.md has each bug's checker, and why some bugs are not here", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/sim.md"), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| "));
  const caught = /\| seed \d+ \| [a-z]/;
  const untold = MUTANTS.filter(({ name, seen = "" }) => {
    const recorded = (row: string) => row.includes(`| ${name} |`) && row.includes(seen);
    return !rows.some((row) => recorded(row) && caught.test(row));
  });
  expect(untold.map(({ name }) => name)).toEqual([]);
  for (const { seen, why } of ELSEWHERE) {
    expect(rows.some((row) => row.includes(seen) && row.includes(why)), seen).toBe(true);
  }
});

test("at most a quarter of the bugs found elsewhere have no place here", () => {
  const here = new Set(MUTANTS.flatMap(({ seen }) => seen ?? []));
  expect(ELSEWHERE.length * 4).toBeLessThanOrEqual(here.size + ELSEWHERE.length);
});
