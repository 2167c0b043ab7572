import { describe, expect, test } from "vitest";
import { advance, NEW_PROBE } from "./probe-verdict.ts";

/** s: success, f: failure, e: error; the expected line has +, - or ? after each. */
function run(outcomes: string, probe: { successThreshold?: number; failureThreshold?: number }) {
  const results = { s: "success", f: "failure", e: "error" } as const;
  let state = NEW_PROBE;
  let line = "";
  for (const letter of outcomes as Iterable<"s" | "f" | "e">) {
    state = advance(state, { result: results[letter], output: "" }, probe);
    line += state.passing === undefined ? "?" : state.passing ? "+" : "-";
  }
  return line;
}

describe("probe thresholds", () => {
  test.each([
    ["one success passes", "s", {}, "+"],
    ["three failures fail, fewer do not", "sfffs", {}, "+++-+"],
    ["a success between starts the count again", "sffsff", {}, "++++++"],
    ["before the first threshold nothing is known", "ff", {}, "??"],
    ["successes are counted too", "ssfss", { successThreshold: 2, failureThreshold: 1 }, "?+--+"],
    ["errors do not count", "sfefef", {}, "+++++-"],
  ])("%s", (_, outcomes, probe, expected) => expect(run(outcomes, probe)).toBe(expected));
});
