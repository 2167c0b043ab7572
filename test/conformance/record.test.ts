import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BEYOND, formatResults, parseResults, RECORD, type Result, withResult } from "./record.ts";
import { formatReport } from "./report.ts";

const NAME = "[sig-apps] Job should run [Conformance]";
const PASSED: Result = { outcome: "passed", date: "2026-01-02", commit: "0123abcd", took_s: 12 };
const FAILED: Result = { ...PASSED, outcome: "failed" };

test.each([RECORD, BEYOND])("the committed record %s is read and written as it is", (record) => {
  const text = readFileSync(record, "utf8");
  expect(formatResults(parseResults(text))).toBe(text);
});

test("docs/CONFORMANCE.md says what the committed record says", () => {
  const document = join(import.meta.dirname, "../../docs/CONFORMANCE.md");
  const [record, beyond] = [RECORD, BEYOND].map((file) => parseResults(readFileSync(file, "utf8")));
  expect(readFileSync(document, "utf8")).toBe(formatReport(record!, beyond!));
});

test("a line that is no result is refused with its number", () => {
  expect(() => parseResults("# head\npassed today [sig-apps] Job\n")).toThrow("line 2 is neither");
});

test("a cause stays while its test fails, and goes when it passes", () => {
  const examined = new Map([[NAME, { ...FAILED, cause: "no Jobs" }]]);
  const again = withResult(examined, NAME, { ...FAILED, took_s: 30 });
  expect(again.get(NAME)).toEqual({ ...FAILED, took_s: 30, cause: "no Jobs" });
  expect(parseResults(formatResults(again))).toEqual(again);
  expect(withResult(again, NAME, PASSED).get(NAME)).toEqual(PASSED);
});

test("the report counts by area and lists failures by cause, those without one too", () => {
  const other = "[sig-node] Pods should start [Conformance]";
  const report = formatReport(
    new Map([
      [NAME, { ...FAILED, cause: "no Jobs" }],
      [other, { ...FAILED, outcome: "timeout" }],
      [`${NAME} twice`, PASSED],
      [`${NAME} never`, { outcome: "not-run", date: "-", commit: "-", took_s: 0 }],
    ]),
    new Map([[NAME, { ...PASSED, outcome: "skipped" }]]),
  );
  expect(report).toContain("| apps | 1 | 1 | 1 | 3 |\n| node | 0 | 1 | 0 | 1 |\n");
  expect(report).toContain("| all | 1 | 2 | 1 | 4 |");
  expect(report).toContain("## no Jobs (1)\n\n- failed: `[sig-apps] Job should run`");
  expect(report).toContain("- timeout: `[sig-node] Pods should start`");
  expect(report).toContain("## not examined (1)");
  expect(report).toContain("## not run (1)");
  expect(report).toMatch(/# Beyond conformance[^]*\| apps \| 0 \| 0 \| 1 \| 1 \|[^#]*$/);
});
