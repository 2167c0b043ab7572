import { criSignalName } from "@raft2kube/runtime/container/signals.ts";
import { expect, test } from "vitest";
import { stopSignalOf } from "./config.ts";

test.each([
  ["USR1", "SIGUSR1"],
  ["sigint", "SIGINT"],
  ["RTMIN+3", "SIGRTMIN+3"],
  ["15", "SIGTERM"],
])("--stop-signal %s is %s", (given, name) => {
  expect(criSignalName(stopSignalOf(given))).toBe(name);
});

test("a stop signal that is none is refused, and none is the image's", () => {
  expect(() => stopSignalOf("SIGNONE")).toThrow(/--stop-signal .*unknown signal/);
  expect(stopSignalOf(undefined)).toBe(0);
});
