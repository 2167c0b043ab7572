import { expect, test } from "vitest";
import { eachOf, oneOf, oneOfIfSet, requiredOneOf } from "./checks.ts";

const [MISSING, WRONG] = ["FieldValueRequired", "FieldValueNotSupported"];

test.each([
  ["that has a default", oneOf, [WRONG, WRONG]],
  ["that need not be set", oneOfIfSet, [WRONG, undefined]],
  ["that must be given", requiredOneOf, [MISSING, MISSING]],
])("a value %s is one of those allowed, also where it is empty or unset", (_, check, expected) => {
  const errors = ["a", "b", "", undefined].map((value) => check(value, ["a"], "f")[0]?.type);
  expect(errors).toEqual([undefined, WRONG, ...expected]);
});

test("each of a list's members has its own path; a list that is unset has none", () => {
  const check = (member: string, field: string) => oneOf(member, ["a"], field);
  expect(eachOf(["a", "b"], "f", check).map(({ field }) => field)).toEqual(["f[1]"]);
  expect(eachOf(undefined, "f", check)).toEqual([]);
});
