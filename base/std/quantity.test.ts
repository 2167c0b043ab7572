import { describe, expect, it } from "vitest";
import {
  addQuantity,
  canonicalQuantity,
  compareQuantity,
  isQuantity,
  milliValueOf,
  parseQuantity,
  quantityOf,
  subtractQuantity,
  valueOf,
} from "./quantity.ts";

describe("canonicalQuantity", () => {
  it.each([
    ["0", "0"],
    ["0.0", "0"],
    ["1", "1"],
    ["100m", "100m"],
    ["0.1", "100m"],
    ["1.5", "1500m"],
    ["1000", "1k"],
    ["1500", "1500"],
    ["1000000", "1M"],
    ["1Gi", "1Gi"],
    ["1024Mi", "1Gi"],
    ["1.5Gi", "1536Mi"],
    ["1000Ki", "1000Ki"],
    ["0.5Ki", "512"],
    ["1e3", "1e3"],
    ["12e6", "12e6"],
    ["1E", "1E"],
    ["1e-3", "1e-3"],
    ["-1", "-1"],
    ["-0.5", "-500m"],
    ["+5", "5"],
    [".5", "500m"],
    ["5.", "5"],
    ["Gi", "0"],
    [".", "0"],
    ["-", "0"],
    ["1n", "1n"],
    ["0.0000000001", "1n"],
    ["129e6", "129e6"],
    ["123Mi", "123Mi"],
    ["1e9999999", "9223372036854775807e0"],
  ])("writes %s as %s", (text, canonical) => {
    const expected = canonical.replace(/e0$/, "");
    expect(canonicalQuantity(text)).toBe(expected);
  });

  it("gives the same for its own answer", () => {
    for (const text of ["1.5Gi", "0.1", "3e5", "2000m", "1025Ki"]) {
      expect(canonicalQuantity(canonicalQuantity(text))).toBe(canonicalQuantity(text));
    }
  });
});

describe("what is no quantity", () => {
  const complaints: readonly [RegExp, readonly string[]][] = [
    [/quantities must match/, ["", "1 Gi", "1gi", "1.2.3", "abc", "1".repeat(300)]],
    [/parse quantity's suffix/, ["1Kii", "--1", "1e", "1mi"]],
  ];
  const refused = complaints.flatMap(([why, texts]) => texts.map((text) => [text, why] as const));
  it.each(refused)("refuses %j: %s", (text, why) => {
    expect(isQuantity(text)).toBe(false);
    expect(() => parseQuantity(text)).toThrow(why);
  });
});

describe("arithmetic", () => {
  it("compares across notations", () => {
    expect(compareQuantity("1Gi", "1024Mi")).toBe(0);
    expect(compareQuantity("1G", "1Gi")).toBeLessThan(0);
    expect(compareQuantity("1", "999m")).toBeGreaterThan(0);
  });

  it("adds and subtracts in the notation of the first", () => {
    expect(addQuantity("1Gi", "512Mi")).toBe("1536Mi");
    expect(addQuantity("0", "100m")).toBe("100m");
    expect(subtractQuantity("2", "500m")).toBe("1500m");
  });

  it("gives whole units and thousandths rounded up", () => {
    expect(valueOf("1500m")).toBe(2);
    expect(valueOf("64Mi")).toBe(67108864);
    expect(milliValueOf("0.25")).toBe(250);
    expect(milliValueOf("1n")).toBe(1);
    expect(quantityOf(1048576, "binary")).toBe("1Mi");
  });
});
