import { expect, test } from "vitest";
import { ignoredBy } from "./context.ts";
import { expand } from "./expand.ts";
import { matcherOf } from "./wildcard.ts";

test.each([
  ["a*c?", "abbcd", true],
  ["a*c?", "abbc", false],
  ["*", "a/b", false],
  ["**", "a/b", true],
  ["**/x", "x", true],
  ["**/x", "a/b/x", true],
  ["**/x", "ax", false],
  ["a/**/x", "a/x", true],
  ["a/**/x", "a/b/cx", false],
  ["[a-c]\\*", "b*", true],
  ["[^a]", "a", false],
  ["*.*", "a", false],
  ["", "", true],
  ["a**b", "a/x/b", true],
  ["[", "[", true],
])("the pattern %s and %s: %s", (pattern, name, fits) => {
  expect(matcherOf(pattern)(name)).toBe(fits);
});

test("a pattern of many stars takes time by its size", { timeout: 4_000 }, () => {
  const [pattern, name] = [`${"*a".repeat(40)}*b`, "a".repeat(2_000)];
  expect(matcherOf(pattern)(name)).toBe(false);
  expect(ignoredBy(`**/${pattern}`)(name)).toBe(false);
  expect(expand(`\${A##${pattern}}`, new Map([["A", name]]))).toBe(name);
});

test("a set of characters that is none is refused", () => {
  expect(() => matcherOf("[z-a]")).toThrow("[z-a] is no pattern");
});
