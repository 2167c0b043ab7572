import { expect, it } from "vitest";
import { topOf } from "./scale.ts";

it("the top of a scale and its half are multiples of what is shown", () => {
  const tops = [0, 1.1, 3, 5, 11, 39, 41, NaN].map((most) => topOf(most, 1));
  expect(tops).toEqual([2, 2, 4, 10, 20, 40, 100, 2]);
  expect(topOf(3.5 * 2 ** 20, 2 ** 20)).toBe(4 * 2 ** 20);
  expect(topOf(0.3, 0.001)).toBeCloseTo(0.4);
});
