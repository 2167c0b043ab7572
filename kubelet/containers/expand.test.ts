import { describe, expect, test } from "vitest";
import { ExpansionBudget, expand, expandStrictly } from "./expand.ts";

const lookup = (name: string) => ({ A: "1", EMPTY: "", "B C": "2" })[name];

describe("expansion of $(NAME)", () => {
  test.each([
    ["plain", "plain"],
    ["$(A)", "1"],
    ["x$(A)y$(A)", "x1y1"],
    ["$(EMPTY)", ""],
    ["$(B C)", "2"],
    ["$(UNKNOWN)", "$(UNKNOWN)"],
    ["$$(A)", "$(A)"],
    ["$$$(A)", "$1"],
    ["$(A", "$(A"],
    ["$A", "$A"],
    ["cost: $", "cost: $"],
    ["$$", "$"],
  ])("%s becomes %s", (text, expected) => {
    expect(expand(text, lookup, new ExpansionBudget())).toBe(expected);
  });

  test("a strict expansion names the missing variable", () => {
    expect(() => expandStrictly("$(NOPE)", lookup)).toThrow('missing value for "NOPE"');
  });

  test("many open brackets are looked through once", () => {
    const text = "$(".repeat(500_000);
    expect(expand(text, lookup, new ExpansionBudget())).toBe(text);
  });
});
