import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Case, nameOfCase, sampleOf, Trials } from "./trials.ts";

// Takes turns, faults: see ../chaos/chaos.test.ts.

/** Sample of some 400 points; `npm run storage-faults` plays them all. */
const SAMPLE = 8;
const TIMEOUT_MS = 600_000;

const trials = new Trials();
let cases: Case[];

beforeAll(async () => {
  cases = await trials.cases();
});
afterAll(() => trials.close());

describe("a volume whose components are killed at any step", { timeout: TIMEOUT_MS }, () => {
  test("there are 200 points at least, and each component has some", () => {
    expect(cases.filter(({ point }) => point).length).toBeGreaterThanOrEqual(200);
  });

  test("keeps its data while it has a claim, and leaves nothing", async () => {
    let kills = 0;
    for (const one of sampleOf(cases, SAMPLE)) {
      const { faults, left, error } = await trials.run(one);
      expect({ left, error }, nameOfCase(one)).toEqual({ left: [], error: undefined });
      kills += faults;
    }
    expect(kills).toBeGreaterThan(SAMPLE / 2);
  });
});
