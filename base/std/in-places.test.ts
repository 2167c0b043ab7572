import { expect, test } from "vitest";
import { inPlaces } from "./in-places.ts";

test.each([
  ["a new one is the last", "abcd", "abc", "abcd"],
  ["the last takes the place of one that goes", "bcd", "abcd", "dbc"],
  ["a new one takes the place of one that goes", "bcde", "abcd", "ebcd"],
  ["the places of several that go are filled from the end", "bdf", "abcdef", "dbf"],
  ["all are new", "ab", "xyz", "ab"],
  ["none is left", "", "ab", ""],
])("%s", (_what, items, before, expected) => {
  expect(inPlaces([...items], [...before], (item) => item).join("")).toBe(expected);
});
