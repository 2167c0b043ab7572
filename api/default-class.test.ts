import { expect, test } from "vitest";
import { defaultOf } from "./default-class.ts";

const made = (name: string, creationTimestamp: string) => ({
  metadata: { name, creationTimestamp },
});

test("of several default classes the newest counts, then the first by name", () => {
  const old = made("a", "2020-01-01T00:00:00Z");
  const second = made("c", "2021-01-01T00:00:00Z");
  const first = made("b", "2021-01-01T00:00:00Z");
  expect(defaultOf([old, second, first], () => true)).toBe(first);
  expect(defaultOf([old, second, first], (each) => each !== first)).toBe(second);
  expect(defaultOf([old], () => false)).toBeUndefined();
});
