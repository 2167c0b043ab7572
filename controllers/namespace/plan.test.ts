import { expect, test } from "vitest";
import { NAMESPACE_LOOK_MS, NAMESPACE_LOOK_MS_MAX } from "../limits.ts";
import { deletionConditions, pauseAfter } from "./plan.ts";

test("the condition about finalizers names ten of them", () => {
  const names = Array.from({ length: 1_000 }, (_, at) => `example.com/${at}`);
  const content = {
    remaining: new Map([["pods.", 1]]),
    kinds: [],
    finalizers: new Map(names.map((name) => [name, 1])),
    failures: [],
  };
  const conditions = deletionConditions({ metadata: { name: "n" }, spec: {} }, content, 0);
  expect(conditions.at(-1)?.message).toMatch(/remaining: example.com\/0 in 1 .*, 990 more$/);
});

test("the pause before a namespace is listed again grows with its content, to a bound", () => {
  const pauseWith = (left: number, looks = 0) =>
    pauseAfter(
      { remaining: new Map([["pods.", left]]), kinds: [], finalizers: new Map(), failures: [] },
      looks,
    );
  expect(pauseWith(0)).toBe(NAMESPACE_LOOK_MS);
  expect([1, 2, 9].map((looks) => pauseWith(0, looks))).toEqual(
    [2, 4, 4].map((times) => times * NAMESPACE_LOOK_MS),
  );
  expect(pauseWith(2_000)).toBeGreaterThan(pauseWith(1_000));
  expect(pauseWith(100_000_000)).toBe(NAMESPACE_LOOK_MS_MAX);
});
