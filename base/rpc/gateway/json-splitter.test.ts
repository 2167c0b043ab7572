import { expect, test } from "vitest";
import { JsonSplitter } from "./json-splitter.ts";

test("objects are divided wherever their chunks end", () => {
  const objects = ['{"a":"}\\"{"}', '{"b":[{"c":"\\\\"}]}', '{"\u00e9":"\u{1f600}}"}', "{}"];
  const text = Buffer.from(` ${objects.join("\n ")} `);
  for (let size = 1; size <= text.length; size++) {
    const splitter = new JsonSplitter(100);
    const found: Buffer[] = [];
    for (let at = 0; at < text.length; at += size) {
      found.push(...splitter.push(text.subarray(at, at + size)));
    }
    splitter.end();
    expect(found.map(String)).toEqual(objects);
    expect(splitter.heldBytes).toBe(0);
  }
});

test("an object that is too large is refused, complete or not", () => {
  const refused = (text: string) => () => [...new JsonSplitter(10).push(Buffer.from(text))];
  expect(refused('{"a":"0123456789')).toThrow("more than 10");
  expect(refused('{"a":"0123456789"}')).toThrow("more than 10");
});

test("the work for an object is linear in its bytes, however small its chunks are", () => {
  const text = Buffer.from(`{"a":"${"x".repeat(4 * 1024 * 1024)}"}`);
  const splitter = new JsonSplitter(text.length);
  const found: Buffer[] = [];
  const held = new Set<number>();
  for (let at = 0; at < text.length; at += 16) {
    found.push(...splitter.push(text.subarray(at, at + 16)));
    held.add(splitter.heldBytes);
  }
  expect(found).toHaveLength(1);
  expect(found[0]!.equals(text)).toBe(true);
  // The buffer is copied only when it grows: each time to twice its size.
  expect(held.size).toBeLessThan(32);
  expect(Math.max(...held)).toBeLessThanOrEqual(2 * text.length);
});
