import { expect, test } from "vitest";
import { judgeCrun } from "./runtime-version.ts";

test.each([
  ["1.4.4", "ok"],
  ["1.4.5", "ok"],
  ["1.5", "ok"],
  ["1.8.1", "ok"],
  ["2.0", "ok"],
  ["1.4.3", "warning"],
  ["1.4", "warning"],
  ["0.17", "warning"],
  ["0.20.9", "warning"],
])("crun %s: %s", (version, state) => {
  expect(judgeCrun(`crun version ${version}\ncommit: f8a0\nspec: 1.0.0\n`).state).toBe(state);
});

test("a program that does not report its version is a warning", () => {
  expect(judgeCrun("something else").state).toBe("warning");
});
