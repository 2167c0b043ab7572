import { expect, test } from "vitest";
import { RecentMap } from "./recent-map.ts";

test("one entry too many takes the place of the one that was set longest ago", () => {
  const forgotten: number[] = [];
  const map = new RecentMap<string, number>(2, (value) => forgotten.push(value));
  map.set("a", 1).set("b", 2).set("a", 3);
  expect([...map]).toEqual([
    ["b", 2],
    ["a", 3],
  ]);
  map.set("c", 4);
  expect([...map.keys(), ...forgotten]).toEqual(["a", "c", 2]);
});
