import { describe, expect, it } from "vitest";
import { addressText, blockRanges, merged } from "./blocks.ts";

const texts = (...blocks: { cidr: string; except?: string[] }[]) =>
  blockRanges(blocks).map(addressText);

describe("blocks of addresses", () => {
  it.each([
    [[{ cidr: "10.0.0.7/32" }], ["10.0.0.7"]],
    [[{ cidr: "10.0.0.9/24" }], ["10.0.0.0-10.0.0.255"]],
    [[{ cidr: "0.0.0.0/0" }], ["0.0.0.0-255.255.255.255"]],
    [
      [{ cidr: "0.0.0.0/0", except: ["10.0.0.0/8", "255.255.255.255/32"] }],
      ["0.0.0.0-9.255.255.255", "11.0.0.0-255.255.255.254"],
    ],
    [[{ cidr: "10.0.0.0/30", except: ["10.0.0.0/32", "10.0.0.2/32"] }], ["10.0.0.1", "10.0.0.3"]],
    [[{ cidr: "10.0.0.0/24", except: ["10.0.0.0/25", "10.0.0.128/25"] }], []],
    // One block's exception is another's address.
    [
      [{ cidr: "10.0.0.0/31", except: ["10.0.0.1/32"] }, { cidr: "10.0.0.1/32" }],
      ["10.0.0.0-10.0.0.1"],
    ],
    [[{ cidr: "fd00::/8" }], []],
  ])("%j", (blocks, expected) => {
    expect(texts(...blocks)).toEqual(expected);
  });

  it("ranges that overlap or touch are joined", () => {
    const ranges = [
      { first: 5, last: 9 },
      { first: 1, last: 3 },
      { first: 4, last: 4 },
    ];
    expect(merged([...ranges, { first: 20, last: 20 }])).toEqual([
      { first: 1, last: 9 },
      { first: 20, last: 20 },
    ]);
  });
});
