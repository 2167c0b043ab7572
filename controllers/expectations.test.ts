import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { Expectations } from "./expectations.ts";
import { EXPECTATIONS_MS } from "./limits.ts";
import { setOf } from "./testing/objects.ts";

const RS = setOf("web", 1);

test("creations are awaited one by one", () => {
  const expectations = new Expectations(new ManualClock());
  expectations.expect(RS, 2, []);
  expect(expectations.satisfied(RS)).toBe(false);
  expectations.creationObserved(RS);
  expect(expectations.satisfied(RS)).toBe(false);
  expectations.creationObserved(RS);
  expect(expectations.satisfied(RS)).toBe(true);
  expectations.creationObserved(RS);
  expect(expectations.satisfied(RS)).toBe(true);
});

test("the same deletion seen twice counts once", () => {
  const expectations = new Expectations(new ManualClock());
  expectations.expect(RS, 0, ["a", "b"]);
  expectations.deletionObserved(RS, "a");
  expectations.deletionObserved(RS, "a");
  expect(expectations.satisfied(RS)).toBe(false);
  expectations.deletionObserved(RS, "b");
  expect(expectations.satisfied(RS)).toBe(true);
});

test("what is never seen is given up after five minutes", () => {
  const clock = new ManualClock();
  const expectations = new Expectations(clock);
  expectations.expect(RS, 1, []);
  clock.advance(300_000);
  expect(expectations.satisfied(RS)).toBe(false);
  clock.advance(1);
  expect(expectations.satisfied(RS)).toBe(true);
});

test("what an earlier object of the same name wrote is not awaited", () => {
  const expectations = new Expectations(new ManualClock());
  const successor = { ...RS, metadata: { ...RS.metadata, uid: "successor" } };
  expectations.expect(RS, 2, []);
  expect(expectations.satisfied(successor)).toBe(true);
  expectations.expect(successor, 1, ["a"]);
  expectations.creationObserved(RS);
  expectations.deletionObserved(RS, "a");
  expect(expectations.satisfied(successor)).toBe(false);
});

test("a loop looks again when what is unmet is given up, or earlier if it asks for that", () => {
  const expectations = new Expectations(new ManualClock());
  expect(expectations.lookAgain(RS)).toBeUndefined();
  expectations.expect(RS, 1, []);
  expect(expectations.lookAgain(RS)).toEqual({ again_ms: EXPECTATIONS_MS });
  expect(expectations.lookAgain(RS, 10)).toEqual({ again_ms: 10 });
  expectations.creationObserved(RS);
  expect(expectations.lookAgain(RS)).toBeUndefined();
  expect(expectations.lookAgain(RS, 10)).toEqual({ again_ms: 10 });
});
