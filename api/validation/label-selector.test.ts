import { expect, it } from "vitest";
import { SELECTOR_EXPRESSIONS_MAX } from "../limits.ts";
import { validateLabelSelector } from "./label-selector.ts";

it("a selector has a bound of expressions", () => {
  const typesOf = (count: number) => {
    const matchExpressions = Array(count).fill({ key: "a", operator: "Exists" });
    return validateLabelSelector({ matchExpressions }, "spec.selector").map(({ type }) => type);
  };
  expect(typesOf(SELECTOR_EXPRESSIONS_MAX)).toEqual([]);
  expect(typesOf(SELECTOR_EXPRESSIONS_MAX + 1)).toEqual(["FieldValueTooMany"]);
});
