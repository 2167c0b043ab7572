import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { formatResults, parseResults, type Result } from "../conformance/record.ts";
import { choose, HEAD, RECORD } from "./main.ts";
import { judge } from "./one-test.ts";

const PASSED: Result = { outcome: "passed", date: "2026-01-02", commit: "0123abcd", took_s: 12 };
const FAILED: Result = { ...PASSED, outcome: "failed" };
const NEVER: Result = { outcome: "not-run", date: "-", commit: "-", took_s: 0 };

test("the committed record is read and written as it is, and leaves no failure unexplained", () => {
  const text = readFileSync(RECORD, "utf8");
  const results = parseResults(text);
  expect(formatResults(results, HEAD)).toBe(text);
  const known = ["passed", "not-run"];
  const bad = [...results].filter(([, { outcome }]) => !known.includes(outcome));
  expect(bad.filter(([, { cause }]) => cause === undefined)).toEqual([]);
});

test("tests run that have no result of this commit, but for those that do not apply", () => {
  const results = new Map([
    ["e2e TestA", PASSED],
    ["e2e TestB", { ...FAILED, cause: "x" }],
    ["e2e TestC", NEVER],
    ["e2e TestD", { ...NEVER, cause: "needs gofail" }],
  ]);
  const at = (commit: string, failed = false) => ({ failed, commit });
  expect(choose(results, [], at("0123abcd"))).toEqual(["e2e TestC"]);
  expect(choose(results, [], at("later"))).toEqual(["e2e TestA", "e2e TestB", "e2e TestC"]);
  expect(choose(results, [], at("later", true))).toEqual(["e2e TestB", "e2e TestC"]);
  expect(choose(results, ["Test[AC]"], at("later", true))).toEqual(["e2e TestC"]);
  expect(choose(results, ["TestD", "A$"], at("later"))).toEqual(["e2e TestA", "e2e TestD"]);
});

test.each([
  ["--- PASS: TestA (0.1s)\nPASS\n", "passed", ""],
  ["    --- FAIL: TestA/x (0s)\n--- FAIL: TestA (0s)\n", "failed", ""],
  ["    a_test.go:3: no binary\n--- SKIP: TestA (0s)\n", "skipped", "no binary"],
  ["    --- SKIP: TestA/x (0s)\n--- PASS: TestA (0s)\n", "skipped", ""],
  ["    --- SKIP: TestA/x (0s)\n    --- PASS: TestA/y (0s)\n--- PASS: TestA (0s)\n", "passed", ""],
  ["        \tError:      \tReceived\n--- FAIL: TestA (0s)\n", "failed", "Received"],
  ["--- PASS: TestAB (0s)\npanic: test timed out after 1s\n", "timeout", ""],
  ["panic: x\n", "lost", "it ended without a result"],
])("%j is %s", (output, outcome, message) => {
  expect(judge(output, "TestA")).toEqual({ outcome, message });
});
