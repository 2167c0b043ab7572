import { expect, test } from "vitest";
import { deletionConditions } from "./plan.ts";

test("the condition about finalizers names ten of them", () => {
  const names = Array.from({ length: 1_000 }, (_, at) => `example.com/${at}`);
  const content = {
    remaining: new Map([["pods.", 1]]),
    finalizers: new Map(names.map((name) => [name, 1])),
    failures: [],
  };
  const conditions = deletionConditions({ metadata: { name: "n" }, spec: {} }, content, 0);
  expect(conditions.at(-1)?.message).toMatch(/remaining: example.com\/0 in 1 .*, 990 more$/);
});
