import { criSignalName } from "@raft2kube/runtime/container/signals.ts";
import { expect, test } from "vitest";
import { read, stopSignalOf } from "./values.ts";

test.each([
  ["USR1", "SIGUSR1"],
  ["sigint", "SIGINT"],
  ["RTMIN+3", "SIGRTMIN+3"],
  ["15", "SIGTERM"],
])("--stop-signal %s is %s", (given, name) => {
  expect(criSignalName(stopSignalOf(given))).toBe(name);
});

test("a stop signal that is none is refused", () => {
  const given = () => read("--stop-signal", "SIGNONE", stopSignalOf);
  expect(given).toThrow(/--stop-signal .*unknown signal/);
});
