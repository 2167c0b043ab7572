import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { verdictOf } from "./results/benchmarks.ts";
import { RESULTS_PAGE, resultsPage } from "./results/page.ts";

it("docs/RESULTS.md is what the records say: node scripts/results.ts", () => {
  expect(readFileSync(RESULTS_PAGE, "utf8")).toBe(resultsPage());
});

it.each([
  ["<= 0.5x", 50, "yes"],
  ["<= 0.5x", 51, "no"],
  [">= 2x", 199, "no"],
  ["< 1,000 ms", 59, "yes"],
  ["5 s", 6, "no"],
  ["<= 250 MiB and <= 1.1 x", 120, "no"],
  ["<= 250 MiB and <= 1.1 x", 110, "yes"],
  ["print", 1, ""],
] as const)("a row whose goal is %s, at %d of the peer's 100", (goal, ours, verdict) => {
  const row = { what: "w", unit: "ms", ours, peer: { name: "p", value: 100 }, goal };
  expect(verdictOf(row)).toBe(verdict);
});
