import { expect, test } from "vitest";
import { Backoff, pauseAfter } from "./backoff.ts";

const PAUSES = { first_ms: 100, most_ms: 1_000 };

test("pauses double from the first to the bound, also after very many failures", () => {
  expect([1, 2, 3, 4, 5, 1e9].map((failures) => pauseAfter(failures, PAUSES))).toEqual([
    100, 200, 400, 800, 1_000, 1_000,
  ]);
});

test("a success starts the pauses over", () => {
  const backoff = new Backoff(PAUSES);
  expect([backoff.next(), backoff.next()]).toEqual([100, 200]);
  backoff.reset();
  expect(backoff.next()).toBe(100);
});

test("a random source stretches each pause by up to as much again", () => {
  const backoff = new Backoff(PAUSES, { next: () => 0.5 });
  expect([backoff.next(), backoff.next()]).toEqual([150, 300]);
});
