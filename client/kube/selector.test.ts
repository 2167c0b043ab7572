import { describe, expect, test } from "vitest";
import { hasLabels, meets, selectorText, selects } from "./selector.ts";

describe("selects", () => {
  const labels = { app: "web", tier: "front" };
  test.each([
    ["no selector selects nothing", undefined, false],
    ["the empty selector selects all", {}, true],
    ["equal labels", { matchLabels: { app: "web" } }, true],
    ["another value", { matchLabels: { app: "db" } }, false],
    ["In", { matchExpressions: [{ key: "app", operator: "In", values: ["a", "web"] }] }, true],
    ["NotIn", { matchExpressions: [{ key: "app", operator: "NotIn", values: ["web"] }] }, false],
    ["NotIn, absent", { matchExpressions: [{ key: "x", operator: "NotIn", values: ["1"] }] }, true],
    ["Exists", { matchExpressions: [{ key: "tier", operator: "Exists" }] }, true],
    ["DoesNotExist", { matchExpressions: [{ key: "tier", operator: "DoesNotExist" }] }, false],
    ["unknown operator", { matchExpressions: [{ key: "tier", operator: "Like" }] }, false],
    [
      "all must hold",
      { matchLabels: { app: "web" }, matchExpressions: [{ key: "x", operator: "Exists" }] },
      false,
    ],
  ])("%s", (_name, selector, expected) => {
    expect(selects(selector, labels)).toBe(expected);
  });

  test("an object without labels meets only what asks for absence", () => {
    expect(selects({ matchLabels: { a: "b" } }, undefined)).toBe(false);
    const absent = { matchExpressions: [{ key: "a", operator: "DoesNotExist" }] };
    expect(selects(absent, undefined)).toBe(true);
  });
});

test("Gt and Lt compare whole numbers of any size", () => {
  const big = { n: "9007199254740993" };
  expect(meets({ key: "n", operator: "Gt", values: ["9007199254740992"] }, big)).toBe(true);
  expect(meets({ key: "n", operator: "Lt", values: ["9007199254740993"] }, big)).toBe(false);
  expect(meets({ key: "n", operator: "Gt", values: ["1"] }, { n: "x" })).toBe(false);
});

test("plain maps", () => {
  expect(hasLabels({ a: "1" }, { a: "1", b: "2" })).toBe(true);
  expect(hasLabels({ a: "1" }, undefined)).toBe(false);
});

test("equal selectors have equal texts", () => {
  const text = selectorText({
    matchLabels: { b: "2", a: "1" },
    matchExpressions: [
      { key: "c", operator: "In", values: ["y", "x"] },
      { key: "d", operator: "DoesNotExist" },
    ],
  });
  expect(text).toBe("!d,a=1,b=2,c in (x,y)");
});
