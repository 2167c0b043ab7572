import { expect, test } from "vitest";
import type { TerminalSize } from "./resize.ts";
import { ResizeFeed } from "./resize.ts";

const order = (width: number) => JSON.stringify({ Width: width, Height: 24 });

test("an order that comes in pieces is passed on, one that is no size is not", () => {
  const feed = new ResizeFeed();
  const given: number[] = [];
  feed.push(Buffer.from(order(80)));
  feed.onResize(({ width }) => void given.push(width));
  feed.push(Buffer.from(order(90).slice(0, 5)));
  feed.push(Buffer.from(order(90).slice(5)));
  feed.push(Buffer.from(order(0)));
  feed.push(Buffer.from(order(100) + order(70_000)));
  expect(given).toEqual([80, 90, 100]);
});

test("of many orders at once the last is passed on", () => {
  const feed = new ResizeFeed();
  const given: number[] = [];
  feed.onResize(({ width }) => void given.push(width));
  const many = Array.from({ length: 40_000 }, (_, index) => order(index + 1));
  feed.push(Buffer.from(many.join("")));
  feed.push(Buffer.from("}".repeat(1 << 20)));
  expect(given).toEqual([40_000]);
});

test("while an order is carried out only the newest waits", async () => {
  const feed = new ResizeFeed();
  const given: number[] = [];
  const waiting: (() => void)[] = [];
  feed.onResize(({ width }: TerminalSize) => {
    given.push(width);
    return new Promise<void>((resolve) => waiting.push(resolve));
  });
  for (let width = 1; width <= 1_000; width++) feed.push(Buffer.from(order(width)));
  expect(given).toEqual([1]);
  waiting.shift()!();
  await new Promise(setImmediate);
  expect(given).toEqual([1, 1_000]);
  waiting.shift()!();
  await new Promise(setImmediate);
  expect(given).toEqual([1, 1_000]);
});
