import { expect, test } from "vitest";
import { LISTED_MAX } from "./limits.ts";
import { listed } from "./listed.ts";

test("a text has a bounded number of names, and says how many it leaves out", () => {
  const names = Array.from({ length: LISTED_MAX + 990 }, (_, at) => `name ${at}`);
  expect(listed(names)).toMatch(/^name 0, .*, name 9, 990 more$/);
  expect(listed(["two", "one"], "; ")).toBe("one; two");
});
