import { expect, test } from "vitest";
import { seededRandom, shuffled } from "./random.ts";

test("items come in each order", () => {
  const random = seededRandom(1);
  const orders = Array.from({ length: 100 }, () => shuffled(random, ["a", "b", "c"]).join(""));
  expect(new Set(orders).size).toBe(6);
});
