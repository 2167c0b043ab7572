import { CodedError } from "@raft2kube/std/errors.ts";
import { expect, test } from "vitest";
import { failureLog } from "./failure-log.ts";

test("logs a failure once, until another follows or an attempt succeeds", () => {
  const logged: unknown[] = [];
  const report = failureLog(
    { warn: (message, fields) => void logged.push([message, fields]) },
    "the rule is not set",
  );
  const full = new CodedError("full", "no space", { remedy: "make room" });
  for (const outcome of [new Error("busy"), new Error("busy"), full, full]) report(outcome);
  report();
  report(full);
  const noSpace = { error: "no space", remedy: "make room" };
  expect(logged).toEqual([
    ["the rule is not set, trying again", { error: "busy" }],
    ["the rule is not set, trying again", noSpace],
    ["the rule is not set, trying again", noSpace],
  ]);
});
