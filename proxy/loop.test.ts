import { expect, test } from "vitest";
import { listed } from "./loop.ts";

test("the log has a bounded number of a Service's problems", () => {
  const problems = Array.from({ length: 1_000 }, (_, i) => `problem ${i}`);
  expect(listed(problems)).toMatch(/^problem 0; .*; problem 7; 992 more$/);
  expect(listed(["one", "two"])).toBe("one; two");
});
