import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { drawn } from "../../../testing/drawn.ts";
import { MUTANT_SEEDS, MUTANTS_DRAWN, SEED_REAL_TIME_MS_MAX } from "../limits.ts";
import { ELSEWHERE, MUTANTS } from "./all.ts";
import { CORE_MUTANTS } from "./core.ts";
import { catchMutant } from "./hunt.ts";
import { LATER_MUTANTS } from "./later.ts";
import seeds from "./seeds.json" with { type: "json" };

/** Every bug must be detected within so many seeds. */
const SEEDS_MAX = 200;

/** Each kind of seam once. */
const SEAMS = [
  "acknowledges before the sync",
  "commits with one voter less than a majority",
  "loses its vote at a restart",
  "answers reads without a quorum",
  "applies the last command again after a restart",
  "loses some events of a watch",
  "drops events of a full stream",
];

/** Bugs that no other test detects. */
const ALONE = [
  "loses what is left of its leases at a restart",
  "a new leader gives leases their whole TTL in spite of checkpoints",
  "proposes a revocation again in a later term of the same leader",
  "a comparison of a missing key's lease fails",
  "the hash counts the tombstone of the compacted revision where no key lives",
];

/** The bugs that the simulator was made for, and those written after it; of the swarm kind. */
const SAMPLE = [
  ...SEAMS,
  ...ALONE,
  ...[...CORE_MUTANTS, ...LATER_MUTANTS].filter(({ kind }) => !kind).map(({ name }) => name),
];

/** The seed at which each bug was detected, by its name (`npm run sim -- --mutants --record`). */
const SEEDS: Readonly<Record<string, { seed: number; by: string } | undefined>> = seeds;

// From the recorded seed: a run that finds nothing takes a second.
test.each(drawn("hunt", SAMPLE, MUTANTS_DRAWN))(
  "a member that %s is detected by one of its checkers",
  async (name) => {
    const { seams, noticedBy } = MUTANTS.find((each) => each.name === name)!;
    const caught = await catchMutant({ seams }, { swarm: true }, SEEDS[name]!.seed, MUTANT_SEEDS);
    expect(noticedBy, caught?.message).toContain(caught?.checker);
  },
  MUTANT_SEEDS * SEED_REAL_TIME_MS_MAX,
);

test(`each bug was detected within ${SEEDS_MAX} seeds, by one of its checkers`, () => {
  const missed = MUTANTS.filter(({ name, noticedBy }) => {
    const found = SEEDS[name];
    return !found || found.seed > SEEDS_MAX || !noticedBy.includes(found.by);
  });
  expect(missed.map(({ name }) => name)).toEqual([]);
  const names = MUTANTS.map(({ name }) => name);
  expect(Object.keys(SEEDS).filter((name) => !names.includes(name))).toEqual([]);
});

test("docs/sim.md gives no command with a bug that is not here", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/sim.md"), "utf8");
  const named = [...page.matchAll(/--mutant "([^"]+)"/g)].map(([, name]) => name!);
  expect(named).not.toEqual([]);
  const known = MUTANTS.map(({ name }) => name);
  const flat = named.map((name) => name.replaceAll("\n", " "));
  expect(flat.filter((name) => !known.includes(name))).toEqual([]);
});

test("at most a quarter of the bugs found elsewhere have no place here", () => {
  const here = new Set(MUTANTS.flatMap(({ seen }) => seen ?? []));
  expect(ELSEWHERE.length * 4).toBeLessThanOrEqual(here.size + ELSEWHERE.length);
});
