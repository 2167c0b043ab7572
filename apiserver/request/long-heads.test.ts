import { expect, it } from "vitest";
import { HEADER_BYTES_MAX } from "../limits.ts";
import { parseAccept } from "./media-type.ts";
import { parseRequestInfo } from "./request-info.ts";

// A search that tries each place again takes hours for texts of this length.
const LONG = 4_000_000;

it("a long path is read in one pass", () => {
  const path = `/a${"/".repeat(LONG)}b`;
  expect(parseRequestInfo("GET", path, new URLSearchParams()).resourceRequest).toBe(false);
});

it("a long weight, and one among spaces, are read in one pass", () => {
  const [weighed] = parseAccept(`a/b;q=${"1".repeat(LONG)}x`);
  expect(weighed).toEqual({ type: "a/b", parameters: {}, quality: 0 });
  const [spaced] = parseAccept(`a/b;c=d${" ".repeat(LONG)}e`);
  expect(spaced!.type).toBe("a/b");
});

it("of the ranges that a head has room for, as many are sorted as a client needs", () => {
  const header = `*/*,${"a/a,".repeat(HEADER_BYTES_MAX / 4 - 2)}b/b`;
  const ranges = parseAccept(header);
  expect(ranges.at(-1)!.type).toBe("*/*");
  expect(ranges.length).toBeLessThan(100);
});
