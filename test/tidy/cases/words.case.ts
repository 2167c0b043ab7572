// For runner.test.ts: each test fails, with values or after a long output.
import { expect, test } from "vitest";

test("values", () => {
  expect([{ name: "a", passed: false, words: "of its own", at: 1, more: true }]).toEqual([]);
});

test("output", () => {
  const output = Array.from({ length: 100 }, (_, i) => `output of line ${i}`).join("\n");
  expect(1, output).toBe(0);
});
