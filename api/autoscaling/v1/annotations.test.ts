import { expect, test } from "vitest";
import { readAnnotations } from "./annotations.ts";

const BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior";
const DEPTH = 50_000;

test("a behavior is read by its fields in any case", () => {
  const text = JSON.stringify({ SCALEUP: { Policies: [{ Type: "Pods", VALUE: 4 }] } });
  expect(readAnnotations({ [BEHAVIOR]: text, kept: "1" })).toEqual({
    rest: { kept: "1" },
    said: { behavior: { scaleUp: { policies: [{ type: "Pods", value: 4, periodSeconds: 0 }] } } },
  });
});

test.each([
  ["[".repeat(DEPTH) + "]".repeat(DEPTH)],
  ['{"ScaleUp":'.repeat(DEPTH) + "1" + "}".repeat(DEPTH)],
])("an annotation of any depth is passed over", (text) => {
  expect(readAnnotations({ [BEHAVIOR]: text }).rest).toEqual({});
});
