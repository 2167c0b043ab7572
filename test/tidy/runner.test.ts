import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runPatterns } from "../run-vitest.ts";

const CASES = "test/tidy/cases";
const dir = mkdtempSync(join(tmpdir(), "r2k-runner-"));

beforeAll(() => {
  process.env["R2K_CASE_MARKER"] = join(dir, "marker");
});
afterAll(() => rmSync(dir, { recursive: true }));

it("what would end a process fails the run, though every test passes at last", async () => {
  const patterns = [`${CASES}/unhandled.case.ts`, `${CASES}/failing.case.ts`];
  const { failures, passed, secondTries } = await runPatterns(patterns, {
    secondTry: true,
    quiet: true,
  });
  expect(passed).toBe(3);
  expect(secondTries).toHaveLength(1);
  expect(failures.toSorted()).toEqual([
    "no test caught: a rejection of a case",
    "no test caught: an error of a case",
  ]);
});
