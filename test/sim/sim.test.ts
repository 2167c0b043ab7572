import { expect, test } from "vitest";
import { inTurn } from "../../testing/drawn.ts";
import { readCases } from "./cases.ts";
import { svgDiagram, textDiagram } from "./diagram.ts";
import { CLASSES, SWARM_CLASSES } from "./faults/faults.ts";
import {
  CASES_DRAWN,
  MUTANT_SEEDS,
  SEED_REAL_TIME_MS_MAX,
  TEST_FROM,
  TEST_JOBS,
  TEST_SEEDS,
  TEST_SEEDS_MAX,
} from "./limits.ts";
import { MUTANTS } from "./mutants/all.ts";
import { catchMutant } from "./mutants/hunt.ts";
import { runScript } from "./run.ts";
import { runSeeds } from "./seeds/seeds.ts";
import { Totals } from "./seeds/totals.ts";

/** Virtual time with faults of a run that is compared with another. */
const SHORT_MS = 6_000;

test(
  "a seed gives the same run every time, with a transcript and a diagram",
  async () => {
    const script = { seed: 11, faulty_ms: SHORT_MS };
    const first = await runScript({ script, transcript: true });
    const second = await runScript({ script, transcript: true });
    expect(first.violation).toBeUndefined();
    expect(second.counters.counts).toEqual(first.counters.counts);
    expect(second.transcript.print(2_000)).toEqual(first.transcript.print(2_000));
    expect(textDiagram(first.transcript, 20)).toHaveLength(21);
    expect(svgDiagram(first.transcript, 20).match(/marker-end/g)).toHaveLength(20);
  },
  SEED_REAL_TIME_MS_MAX,
);

test(
  "leaving out faults and clients leaves the others as they were",
  async () => {
    const whole = await runScript({ script: { seed: 12, faulty_ms: SHORT_MS }, transcript: true });
    const script = { seed: 12, faults: [], clients: ["c3"], faulty_ms: 4_000 };
    const part = await runScript({ script });
    expect(part.violation).toBeUndefined();
    expect(part.counters.get("faults")).toBe(0);
    const early = (times: number[]) => times.filter((at_ms) => at_ms <= 4_000);
    expect(part.faultTimes).toEqual(early(whole.faultTimes));
  },
  SEED_REAL_TIME_MS_MAX,
);

const cases = readCases();

test.each(inTurn("cases", cases, CASES_DRAWN))(
  "case %s is clean now",
  async (_, { found, script }) => {
    const { violation } = await runScript({ script });
    expect(violation?.message, `it once showed: ${found}`).toBeUndefined();
  },
  SEED_REAL_TIME_MS_MAX,
);

// A change of the simulator or of the store's timing makes another run of a case: then whole seeds,
// its own first, must show the bug, until the case is shrunk again.
const bugs = cases.filter(([, { mutant }]) => mutant !== undefined);
test.each(inTurn("bugs of cases", bugs, CASES_DRAWN))(
  "the bug of case %s is still detected by one of its checkers",
  async (_, { script, mutant, checker }) => {
    const known = MUTANTS.find(({ name }) => name === mutant)!;
    const { seams, noticedBy, kind = { swarm: true } } = known;
    const { violation } = await runScript({ script, seams });
    const found = violation ?? (await catchMutant({ seams }, kind, script.seed, MUTANT_SEEDS));
    expect(noticedBy, `${checker} did: ${found?.message}`).toContain(found?.checker);
  },
  MUTANT_SEEDS * SEED_REAL_TIME_MS_MAX,
);

test(
  `S1 to S11 hold in ${TEST_SEEDS.length} seeds, and in those from ${TEST_FROM} on until every ` +
    `class of fault has happened, at most ${TEST_SEEDS_MAX}`,
  async () => {
    const totals = new Totals();
    const failures: string[] = [];
    const run = (seeds: readonly number[]) =>
      runSeeds({
        kind: { swarm: true },
        seeds,
        jobs: TEST_JOBS,
        minutes: Infinity,
        totals,
        commit: "",
        save: () => undefined,
        onFailure: (message) => failures.push(message),
      });
    const missing = () => totals.counters.missing([...CLASSES, ...SWARM_CLASSES]);
    await run(TEST_SEEDS);
    let next = TEST_FROM;
    while (missing().length > 0 && failures.length === 0 && totals.size < TEST_SEEDS_MAX) {
      await run(Array.from({ length: TEST_JOBS }, () => next++));
    }
    expect(failures, "npm run sim -- --transcript SEED").toEqual([]);
    expect(totals.size).toBeGreaterThanOrEqual(TEST_SEEDS.length);
    expect(missing()).toEqual([]);
  },
  TEST_SEEDS_MAX * SEED_REAL_TIME_MS_MAX,
);
