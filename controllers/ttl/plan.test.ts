import { expect, test } from "vitest";
import { nodeTtl_s } from "./plan.ts";

test.each([
  [1, undefined, 0],
  [100, 0, 0],
  [101, 0, 15],
  [95, 15, 15],
  [89, 15, 0],
  [501, 15, 30],
  [449, 30, 15],
  [5_000, 0, 300],
  [1_799, 300, 60],
  [95, undefined, 0],
])("%i nodes after %s s: %i s", (nodes, before, wanted) => {
  expect(nodeTtl_s(nodes, before)).toBe(wanted);
});
