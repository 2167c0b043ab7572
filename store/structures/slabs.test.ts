import { expect, test } from "vitest";
import { Slabs } from "./slabs.ts";

test("copies stay what they were, small ones side by side, large ones alone", () => {
  const slabs = new Slabs();
  const sizes = [0, 1, 100, 2_047, 2_048, 2_049, 10_000, 1_024, 1_024, 1_024, 1_024, 1_024];
  const made = sizes.map((size, i) => {
    const bytes = Buffer.alloc(size, i + 1);
    const copy = i % 2 === 0 ? slabs.copy(bytes) : slabs.write(bytes.toString("latin1"));
    bytes.fill(0);
    return copy;
  });
  made.forEach((copy, i) => expect(copy).toEqual(Buffer.alloc(sizes[i]!, i + 1)));
  expect(made[1]!.buffer).toBe(made[2]!.buffer);
  expect(made[6]!.buffer.byteLength).toBe(10_000);
  expect(slabs.write("\u0000\u00ff")).toEqual(Buffer.from([0, 255]));
});
