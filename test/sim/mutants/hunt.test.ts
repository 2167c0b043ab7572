import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MUTANT_SEEDS, SEED_REAL_TIME_MS_MAX } from "../limits.ts";
import { ELSEWHERE, MUTANTS } from "./all.ts";
import { catchMutant } from "./hunt.ts";

/** Each kind of seam once, and the checker that must be the one to notice. */
const SAMPLE: readonly (readonly [name: string, checker: RegExp])[] = [
  ["goes on after a failed sync", /no damage|term and vote kept|store's own|safety|completeness/],
  ["commits with one voter less than a majority", /completeness|machine safety|store's own/],
  ["loses its vote at a restart", /term and vote kept/],
  ["answers reads without asking the others", /linearizability/],
  ["applies the last command again after a restart", /state agreement/],
  ["leaves a watch without some event", /watch|informer/],
];

test.each(SAMPLE)(
  "a member that %s is noticed",
  async (name, checker) => {
    const mutant = MUTANTS.find((each) => each.name === name);
    const caught = await catchMutant(mutant!, 1, MUTANT_SEEDS);
    expect(caught?.checker).toMatch(checker);
  },
  MUTANT_SEEDS * SEED_REAL_TIME_MS_MAX,
);

test("docs/sim.md says who caught each bug, and why some have no place here", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/sim.md"), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| "));
  const caught = /\| seed \d+ \| [a-z]/;
  const untold = MUTANTS.filter(({ name, seen = "" }) => {
    const told = (row: string) => row.includes(`| ${name} |`) && row.includes(seen);
    return !rows.some((row) => told(row) && caught.test(row));
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
