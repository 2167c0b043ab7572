import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { Expectations } from "./expectations.ts";

test("creations are awaited one by one", () => {
  const expectations = new Expectations(new ManualClock());
  expectations.expect("rs", 2, []);
  expect(expectations.satisfied("rs")).toBe(false);
  expectations.creationObserved("rs");
  expect(expectations.satisfied("rs")).toBe(false);
  expectations.creationObserved("rs");
  expect(expectations.satisfied("rs")).toBe(true);
  expectations.creationObserved("rs");
  expect(expectations.satisfied("rs")).toBe(true);
});

test("the same deletion seen twice counts once", () => {
  const expectations = new Expectations(new ManualClock());
  expectations.expect("rs", 0, ["a", "b"]);
  expectations.deletionObserved("rs", "a");
  expectations.deletionObserved("rs", "a");
  expect(expectations.satisfied("rs")).toBe(false);
  expectations.deletionObserved("rs", "b");
  expect(expectations.satisfied("rs")).toBe(true);
});

test("what is never seen is given up after five minutes", () => {
  const clock = new ManualClock();
  const expectations = new Expectations(clock);
  expectations.expect("rs", 1, []);
  clock.advance(300_000);
  expect(expectations.satisfied("rs")).toBe(false);
  clock.advance(1);
  expect(expectations.satisfied("rs")).toBe(true);
});
