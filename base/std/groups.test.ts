import { expect, test } from "vitest";
import { Groups } from "./groups.ts";

test("a group is there while it has keys, the first added first", () => {
  const groups = new Groups();
  for (const key of ["b", "a", "b"]) groups.add("one", key);
  groups.add("two", "c");
  expect([...groups.of("one")]).toEqual(["b", "a"]);
  groups.delete("one", "b");
  groups.delete("two", "c");
  groups.delete("three", "d");
  expect([...groups.names()]).toEqual(["one"]);
  expect([...groups.of("one"), ...groups.of("two")]).toEqual(["a"]);
});
