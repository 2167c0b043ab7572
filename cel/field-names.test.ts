import { describe, expect, it } from "vitest";
import { escapeName, unescapeName } from "./field-names.ts";

describe("names of properties as identifiers", () => {
  it.each([
    ["plain", "plain"],
    ["a-b", "a__dash__b"],
    ["a.b/c", "a__dot__b__slash__c"],
    ["a__b", "a__underscores__b"],
    ["namespace", "__namespace__"],
    ["namespace-a", "namespace__dash__a"],
    ["___", "__underscores___"],
    ["_", "_"],
  ])("%s is %s, and back", (name, identifier) => {
    expect(escapeName(name)).toBe(identifier);
    expect(unescapeName(identifier)).toBe(name);
  });

  it.each(["", "1a", "a b", "\u00e4", "$ref"])("%j has none", (name) => {
    expect(escapeName(name)).toBeUndefined();
  });

  it.each(["a__b__c", "__namespace__x", "x__true__"])("%s is of no property", (identifier) => {
    expect(unescapeName(identifier)).toBeUndefined();
  });
});
