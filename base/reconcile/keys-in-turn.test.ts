import { expect, test } from "vitest";
import { KeysInTurn } from "./keys-in-turn.ts";

test("keys that are removed from the middle, and added again, are taken once", () => {
  const keys = new KeysInTurn();
  for (const key of ["a/1", "a/2", "b/1", "a/3"]) keys.add(key);
  keys.delete("a/2");
  keys.add("a/2");
  const taken: string[] = [];
  for (let [first] = keys; first !== undefined; [first] = keys) {
    taken.push(first);
    keys.delete(first);
  }
  expect(taken.toSorted()).toEqual(["a/1", "a/2", "a/3", "b/1"]);
  expect([keys.size, keys.has("a/2"), [...keys]]).toEqual([0, false, []]);
});

test("namespaces go in rotation, also one whose keys were removed before its turn", () => {
  const keys = new KeysInTurn();
  for (const key of ["a/1", "a/2", "b/1", "c/1", "b/2", "d/1"]) keys.add(key);
  keys.delete("c/1");
  keys.delete("d/1");
  keys.add("d/2");
  const taken: string[] = [];
  for (let [first] = keys; first !== undefined; [first] = keys) {
    taken.push(first);
    keys.delete(first);
  }
  expect(taken).toEqual(["a/1", "b/1", "d/2", "a/2", "b/2"]);
});

test.each([
  ["of one namespace", 400_000, (at: number) => `a/${at}`],
  ["of a namespace each", 40_000, (at: number) => `${at}/a`],
])(
  "the first of many keys %s is found without passing over those that were removed",
  (_, count, keyOf) => {
    const keys = new KeysInTurn();
    for (let at = 0; at < count; at++) keys.add(keyOf(at));
    // A Set takes longer than a test may.
    for (let [first] = keys; first !== undefined; [first] = keys) keys.delete(first);
    expect(keys.size).toBe(0);
  },
);
