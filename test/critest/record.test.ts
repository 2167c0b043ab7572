import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { formatResults, parseResults } from "../conformance/record.ts";
import { HEADS, RECORDS, readReport } from "./main.ts";

test("the committed records are as they are written, and no failure is unexplained", () => {
  for (const which of ["ours", "containerd"] as const) {
    const text = readFileSync(RECORDS[which], "utf8");
    const results = parseResults(text);
    expect(formatResults(results, HEADS[which])).toBe(text);
    if (which === "containerd") continue;
    const bad = [...results].filter(([, { outcome }]) => outcome !== "passed");
    expect(bad.filter(([, { cause }]) => cause === undefined)).toEqual([]);
  }
});

test("a report has a result of each test, by its plain name", () => {
  const xml = `<testsuite><testcase name="[BeforeSuite]" classname="" status="passed" time="1">
    <testcase name="[It] [k8s.io] A &#34;b&#34; &amp; c" classname="x" status="timedout" time="2.5">
    <testcase name="[It] d" classname="x" status="passed" time="0.1"></testcase></testsuite>`;
  expect(readReport(xml)).toEqual([
    ['[k8s.io] A "b" & c', "timeout", 2.5],
    ["d", "passed", 0.1],
  ]);
});
