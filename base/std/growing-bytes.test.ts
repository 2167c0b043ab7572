import { expect, test } from "vitest";
import { GrowingBytes } from "./growing-bytes.ts";

test("parts come out as they went in, and the buffer is its taker's", () => {
  const growing = new GrowingBytes();
  const first = Buffer.from("abc".repeat(100));
  for (const byte of first) growing.append(Buffer.of(byte));
  expect(growing.length).toBe(300);
  const taken = growing.take();
  growing.append(Buffer.from("x"));
  expect([taken, growing.bytes]).toEqual([first, Buffer.from("x")]);
});

test("bytes that come one by one are copied at most twice, into twice the memory", () => {
  const growing = new GrowingBytes();
  const count = 100_000;
  let copied = 0;
  for (let i = 0; i < count; i++) {
    const { capacity, length } = growing;
    growing.append(Buffer.of(i));
    if (growing.capacity !== capacity) copied += length;
  }
  expect(copied).toBeLessThan(2 * count);
  expect(growing.capacity).toBeLessThanOrEqual(2 * count);
});

test("a buffer whose size is known grows to that and no further", () => {
  const growing = new GrowingBytes();
  for (let i = 0; i < 100; i++) growing.append(Buffer.alloc(10), 1_000);
  expect(growing.capacity).toBe(1_000);
});
