import { expect, test } from "vitest";
import { countValues } from "./count-values.ts";

test.each([
  ["{}", 1],
  ['{"a":1,"b":[2,3]}', 6],
  ['"[{,:"', 0],
  ['["\\",[,",1]', 2],
  ['["\\\\",1]', 2],
])("%s has values: %d", (json, values) => {
  expect(countValues(Buffer.from(json))).toBe(values);
});

test("counts no further than it is asked to", () => {
  expect(countValues(Buffer.from("[[[[[["), 3)).toBe(4);
});
