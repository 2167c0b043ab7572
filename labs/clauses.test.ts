import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { suiteFolder } from "../testing/folders.ts";
import { clauses, flag, number, optional, steps, text } from "./clauses.ts";

const folder = suiteFolder("r2k-clauses-");

function read(yaml: string) {
  writeFileSync(join(folder, "own.yaml"), yaml);
  const filename = join(folder, "own.check.ts");
  return clauses({ filename }, { sizes: { size: number, is: optional(flag), why: text } }).sizes;
}

it("a row has a value for each column, in their order", () => {
  expect(read("sizes:\n  - [1, true, a]\n  - [2, null, 3]\n")).toEqual([
    { size: 1, is: true, why: "a" },
    { size: 2, is: undefined, why: "3" },
  ]);
});

it.each([
  ["sizes: [[1, true]]", /own\.yaml: sizes\[0\] has 2 values, the columns are size, is, why/],
  ["sizes: [[1, true, a, b]]", /sizes\[0\] has 4 values/],
  ["sizes: [[1, true, a], [one, true, a]]", /sizes\[1\]: size: TypeError: "one" is no number/],
  ["sizes: [[1, 1, a]]", /sizes\[0\]: is: TypeError: 1 is neither true nor false/],
  ["sizes: [[1, true, { a: 1 }]]", /sizes\[0\]: why: TypeError: {"a":1} is no text/],
  ["sizes: []", /own\.yaml: the table sizes has no rows/],
  ["sizes: [[1, true, a]]\nmore: [[1]]", /own\.yaml: the check has no table more/],
])("%s is refused with its place", (yaml, message) => {
  expect(() => read(yaml)).toThrow(message);
});

it("a script is read as events, each with its notes", () => {
  expect(steps("begin: sandbox 0, start a#0 | a!0 | b?: kill b: resize")).toEqual([
    { event: "begin", notes: ["sandbox 0", "start a#0"] },
    { event: "a!0", notes: [] },
    { event: "b?", notes: ["kill b: resize"] },
  ]);
});
