import { expect, test } from "vitest";
import { judge } from "./judge.ts";

const setup = { LeafNodeType: "SynchronizedBeforeSuite", State: "passed" };
const unselected = { LeafNodeType: "It", State: "skipped" };

function report(...specs: object[]): string {
  return JSON.stringify([{ SpecReports: [setup, unselected, ...specs] }]);
}

test("the one test that was selected decides", () => {
  const passed = judge(report({ LeafNodeType: "It", State: "passed" }));
  expect(passed).toEqual({ outcome: "passed", message: "" });
  const Failure = { Message: "\n  expected\n\n  to be true\n" };
  const failed = judge(report({ LeafNodeType: "It", State: "panicked", Failure }));
  expect(failed).toEqual({ outcome: "failed", message: "expected | to be true" });
  expect(judge(report({ LeafNodeType: "It", State: "timedout" })).outcome).toBe("timeout");
});

test("a skipped test is distinguished from those that were not selected", () => {
  const Failure = { Message: "skipped - needs two nodes" };
  const skipped = judge(report({ LeafNodeType: "It", State: "skipped", Failure }));
  expect(skipped).toEqual({ outcome: "skipped", message: "skipped - needs two nodes" });
});

test("a report without the test is lost, with the setup's failure where there is one", () => {
  expect(judge(report()).outcome).toBe("lost");
  const broken = { ...setup, State: "failed", Failure: { Message: "no nodes" } };
  const suite = JSON.stringify([{ SpecReports: [broken, unselected] }]);
  expect(judge(suite)).toEqual({ outcome: "failed", message: "SynchronizedBeforeSuite: no nodes" });
});
