import { describe, expect, it } from "vitest";
import {
  formatLabelTerms,
  matchesFields,
  matchesLabels,
  matchesSelector,
  parseFieldSelector,
  parseLabelSelector,
} from "./selector.ts";

describe("label selectors", () => {
  it.each([
    ["", {}, true],
    ["app=web", { app: "web" }, true],
    ["app==web", { app: "db" }, false],
    ["app!=web", {}, true],
    ["app", { app: "" }, true],
    ["!app", { app: "" }, false],
    ["app in (web, db)", { app: "db" }, true],
    ["app notin (web)", {}, true],
    ["a=1,b in (x),!c", { a: "1", b: "x" }, true],
    ["n>3", { n: "4" }, true],
    ["n<3", { n: "x" }, false],
    ["a=", { a: "" }, true],
    ["example.com/a=b", {}, false],
    ["in in (notin)", { in: "notin" }, true],
    [" a = b ", { a: "b" }, true],
  ])("%j against %j is %s", (text, labels, expected) => {
    expect(matchesLabels(parseLabelSelector(text), labels)).toBe(expected);
  });

  it.each(["a=b,", "a in b", "=b", "a b", "a in (b", "-a=b", "a=b c", "a=-", "n>x", "n>-5", ",a"])(
    "refuses %j",
    (text) => {
      expect(() => parseLabelSelector(text)).toThrow(
        /^(unable to parse requirement: |found '.*', expected: )/,
      );
    },
  );

  it("treats an absent selector as none and an empty one as all", () => {
    expect(matchesSelector(undefined, { a: "b" })).toBe(false);
    expect(matchesSelector({}, { a: "b" })).toBe(true);
    expect(
      matchesSelector({ matchExpressions: [{ key: "a", operator: "NotIn", values: ["b"] }] }, {}),
    ).toBe(true);
  });

  it("writes what it reads, sorted by key", () => {
    const text = "!d,a=1,b in (x,y),c";
    expect(formatLabelTerms(parseLabelSelector("c,b in (y,x),a=1,!d"))).toBe("a=1,b in (x,y),c,!d");
    expect(parseLabelSelector(text)).toHaveLength(4);
  });
});

it("the labels of a selector are not listed for each object that has fewer", () => {
  let lists = 0;
  const ownKeys = (labels: object) => {
    lists++;
    return Reflect.ownKeys(labels);
  };
  const matchLabels = new Proxy<Record<string, string>>({ app: "web", tier: "x" }, { ownKeys });
  const found = ["web", "db", "web"].map((app) => matchesSelector({ matchLabels }, { app }));
  expect([found, lists]).toEqual([[false, false, false], 1]);
  expect(matchesSelector({ matchLabels }, { app: "web", tier: "x", more: "" })).toBe(true);
  expect(matchesSelector({ matchLabels }, { app: "web", other: "x" })).toBe(false);
});

describe("field selectors", () => {
  const object: Record<string, string> = { "metadata.name": "a,b", phase: "Running" };
  const read = (field: string): string => object[field] ?? "";

  it.each([
    ["metadata.name=a\\,b", true],
    ["phase!=Running", false],
    ["phase==Running,other=", true],
    ["", true],
  ])("%j gives %s", (text, expected) => {
    expect(matchesFields(parseFieldSelector(text), read)).toBe(expected);
  });

  it("refuses what is no comparison", () => {
    expect(() => parseFieldSelector("phase")).toThrow(/can't understand 'phase'/);
  });
});

it("compares many values as few", () => {
  const values = Array.from({ length: 100 }, (_, at) => `v${at}`);
  const is = (operator: string, value: string) =>
    matchesSelector({ matchExpressions: [{ key: "a", operator, values }] }, { a: value });
  expect([is("In", "v99"), is("In", "w"), is("NotIn", "v99"), is("NotIn", "w")]).toEqual([
    true,
    false,
    false,
    true,
  ]);
});
