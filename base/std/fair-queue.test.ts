import { expect, test } from "vitest";
import { FairQueue } from "./fair-queue.ts";

/** Takes all items; undefined comes after the last. */
const taken = <T>(queue: FairQueue<T>) => {
  const items: (T | undefined)[] = [];
  do items.push(queue.shift());
  while (items.at(-1) !== undefined);
  return items;
};

/** Adds items under their first letter as the owner. */
const filled = (...items: string[]) => {
  const queue = new FairQueue<string>();
  for (const item of items) queue.push(item.charAt(0), item);
  return queue;
};

test("owners go in rotation, each with its items in order", () => {
  const queue = filled("a1", "a2", "a3", "b1", "c1", "b2");
  expect([queue.length, queue.lengthOf("a"), queue.lengthOf("d")]).toEqual([6, 3, 0]);
  expect(taken(queue)).toEqual(["a1", "b1", "c1", "a2", "b2", "a3", undefined]);
  expect([queue.length, queue.lengthOf("a")]).toEqual([0, 0]);
});

test("an owner that comes again is behind the others", () => {
  const queue = filled("a1", "b1", "b2");
  expect(queue.shift()).toBe("a1");
  queue.push("a", "a2");
  expect(taken(queue)).toEqual(["b1", "a2", "b2", undefined]);
});

test("a queue that is cleared is empty, and can be filled again", () => {
  const queue = filled("a1", "a2", "b1");
  queue.clear();
  expect(queue.length).toBe(0);
  queue.push("b", "b2");
  expect(taken(queue)).toEqual(["b2", undefined]);
});

test("one item too many is the newest of the owner that has the most", () => {
  const queue = filled("a1", "a2", "a3", "b1");
  expect(queue.pushWithin(5, "b", "b2")).toBe(undefined);
  expect(queue.pushWithin(5, "c", "c1")).toBe("a3");
  expect(queue.pushWithin(5, "a", "a4")).toBe("a4");
  expect(queue.pushWithin(5, "b", "b3")).toBe("b3");
  expect(taken(queue)).toEqual(["a1", "b1", "c1", "a2", "b2", undefined]);
});

test.each([
  ["of one owner", 400_000, () => "a"],
  ["of an owner each", 40_000, (at: number) => `${at}`],
])("the next of many items %s is found without passing over those that left", (_, count, owner) => {
  const queue = new FairQueue<number>();
  for (let at = 0; at < count; at++) queue.push(owner(at), at);
  // A Map that is passed over takes longer than a test may.
  const wrong = Array.from({ length: count }, (_, at) => at).filter((at) => queue.shift() !== at);
  expect(wrong).toEqual([]);
  expect(queue.shift()).toBe(undefined);
});
