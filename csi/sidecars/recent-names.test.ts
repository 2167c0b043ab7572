import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { RecentNames } from "./recent-names.ts";

test("a name is kept for its time, counted from its last addition", () => {
  const clock = new ManualClock();
  const names = new RecentNames(clock, 10);
  names.add("a");
  clock.advance(6);
  names.add("a");
  clock.advance(9);
  expect(names.has("a")).toBe(true);
  clock.advance(1);
  expect(names.has("a")).toBe(false);
});

test("names that nothing asks for again leave with the next addition", () => {
  const clock = new ManualClock();
  const names = new RecentNames(clock, 10);
  for (let i = 0; i < 100; i++) names.add(`v${i}`);
  names.delete("v7");
  expect(names.size).toBe(99);
  clock.advance(10);
  names.add("last");
  expect(names.size).toBe(1);
});
