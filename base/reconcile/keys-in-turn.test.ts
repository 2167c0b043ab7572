import { expect, test } from "vitest";
import { KeysInTurn } from "./keys-in-turn.ts";

test("a key waits once, and its namespace takes its turn", () => {
  const keys = new KeysInTurn();
  for (const key of ["a/1", "a/2", "a/1", "b/1", "c"]) keys.add(key);
  expect([keys.size, keys.has("a/1"), keys.shift(), keys.has("a/1")]).toEqual([
    4,
    true,
    "a/1",
    false,
  ]);
  keys.add("a/1");
  expect(Array.from({ length: 5 }, () => keys.shift())).toEqual([
    "b/1",
    "c",
    "a/2",
    "a/1",
    undefined,
  ]);
  keys.add("a/3");
  keys.clear();
  expect([keys.size, keys.has("a/3"), keys.shift()]).toEqual([0, false, undefined]);
});
