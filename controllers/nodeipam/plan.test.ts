import { describe, expect, test } from "vitest";
import { clusterRanges, freePart, rangeCondition } from "./plan.ts";

function free(cluster: string, mask: number | undefined, used: string[]): string | undefined {
  const [range] = clusterRanges(cluster, mask);
  if (!range) throw new Error("no range");
  return freePart(range, used);
}

describe("freePart", () => {
  test.each([
    ["the first", "10.244.0.0/16", 24, [], "10.244.0.0/24"],
    ["the lowest hole", "10.244.0.0/16", 24, ["10.244.0.0/24", "10.244.2.0/24"], "10.244.1.0/24"],
    ["a larger one covers its parts", "10.244.0.0/16", 24, ["10.244.0.0/22"], "10.244.4.0/24"],
    ["a smaller one spoils its part", "10.244.0.0/16", 24, ["10.244.0.64/28"], "10.244.1.0/24"],
    ["foreign ranges do not count", "10.244.0.0/16", 24, ["192.168.0.0/16"], "10.244.0.0/24"],
    ["bits behind the length are ignored", "10.244.7.9/16", 24, [], "10.244.0.0/24"],
    ["used up", "10.0.0.0/23", 24, ["10.0.0.0/24", "10.0.1.0/24"], undefined],
    ["the whole range as one part", "10.0.0.0/24", 24, [], "10.0.0.0/24"],
    ["IPv6", "fd00:10::/56", undefined, ["fd00:10::/64"], "fd00:10:0:1::/64"],
  ])("%s", (_name, cluster, mask, used, expected) => {
    expect(free(cluster, mask, used)).toBe(expected);
  });
});

test("bad ranges are refused by name", () => {
  expect(() => clusterRanges("10.244.0.0", 24)).toThrow('"10.244.0.0" is not a range');
  expect(() => clusterRanges("10.244.0.0/25", 24)).toThrow("/24");
});

test("two ranges with a comma are dual stack", () => {
  const ranges = clusterRanges("10.244.0.0/16, fd00::/48", undefined);
  expect(ranges.map((range) => range.nodeMask)).toEqual([24, 64]);
});

test("a node without a range says how many there are, and what to do", () => {
  const ranges = clusterRanges("10.244.0.0/16", 24);
  expect(rangeCondition(false, ranges, "T")).toMatchObject({
    type: "NetworkUnavailable",
    status: "True",
    reason: "CIDRNotAvailable",
    message: expect.stringContaining("all 256 ranges of /24 in 10.244.0.0/16 are given") as string,
  });
  expect(() => clusterRanges("10.244.0.0/16", Number.NaN)).toThrow("cannot be cut");
});
