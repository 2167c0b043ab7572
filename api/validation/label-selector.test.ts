import { expect, it } from "vitest";
import { SELECTOR_EXPRESSIONS_MAX, SELECTOR_VALUES_MAX } from "../limits.ts";
import { validateLabelSelector } from "./label-selector.ts";

it("a selector has a bound of expressions", () => {
  const typesOf = (count: number) => {
    const matchExpressions = Array(count).fill({ key: "a", operator: "Exists" });
    return validateLabelSelector({ matchExpressions }, "spec.selector").map(({ type }) => type);
  };
  expect(typesOf(SELECTOR_EXPRESSIONS_MAX)).toEqual([]);
  expect(typesOf(SELECTOR_EXPRESSIONS_MAX + 1)).toEqual(["FieldValueTooMany"]);
});

it("a selector has a bound of values in all its expressions", () => {
  const complaints = (count: number) => {
    const values = Array<string>(count / 2).fill("a");
    const matchExpressions = Array(2).fill({ key: "a", operator: "In", values });
    return validateLabelSelector({ matchExpressions }, "spec.selector");
  };
  expect(complaints(SELECTOR_VALUES_MAX)).toEqual([]);
  expect(complaints(SELECTOR_VALUES_MAX + 2)).toMatchObject([
    { type: "FieldValueForbidden", field: "spec.selector.matchExpressions" },
  ]);
});
