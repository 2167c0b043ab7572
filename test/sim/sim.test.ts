import { expect, test } from "vitest";
import { CASES } from "./cases.ts";
import { CASE_TEST_TIMEOUT_MS, TEST_FROM, TEST_SEEDS } from "./limits.ts";
import { runSeed } from "./run.ts";
import { Tally } from "./world/tally.ts";

test(
  "a seed gives the same run every time",
  async () => {
    const first = await runSeed({ seed: 11, story: true });
    const second = await runSeed({ seed: 11, story: true });
    expect(first.violation).toBeUndefined();
    expect(second.tally.counts).toEqual(first.tally.counts);
    expect(second.story.print(2_000)).toEqual(first.story.print(2_000));
  },
  CASE_TEST_TIMEOUT_MS,
);

test.each(CASES)(
  "seed $seed, which once found: $found",
  async ({ seed }) => {
    const { violation } = await runSeed({ seed });
    expect(violation?.message).toBeUndefined();
  },
  CASE_TEST_TIMEOUT_MS,
);

test(
  `S1 to S10 hold in ${TEST_SEEDS} seeds from ${TEST_FROM}`,
  async () => {
    const totals = new Tally();
    for (let seed = TEST_FROM; seed < TEST_FROM + TEST_SEEDS; seed++) {
      const { violation, tally } = await runSeed({ seed });
      expect(violation?.message, `npm run sim -- --story ${seed}`).toBeUndefined();
      totals.add(tally);
    }
    const everyRun = ["faults", "leader elected", "requests checked", "watch events checked"];
    expect(totals.missing(everyRun)).toEqual([]);
  },
  TEST_SEEDS * CASE_TEST_TIMEOUT_MS,
);
