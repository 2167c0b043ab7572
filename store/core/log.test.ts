import { expect, test } from "vitest";
import { RaftLog } from "./log.ts";

test("committed entries are handed out in batches bounded in bytes and in number", () => {
  const entries = Array.from({ length: 10 }, (_, i) => {
    return { index: i + 1, term: 1, data: Buffer.alloc(10), change: undefined };
  });
  const batches = (most: { bytes_max: number; entries_max: number }) => {
    const log = new RaftLog({ index: 0, term: 0 }, entries, 10, 0);
    const sizes: number[] = [];
    for (;;) {
      const { length } = log.takeCommitted(most, () => false);
      if (length === 0) return sizes;
      sizes.push(length);
    }
  };
  expect(batches({ bytes_max: 1_000, entries_max: 4 })).toEqual([4, 4, 2]);
  expect(batches({ bytes_max: 35, entries_max: 4 })).toEqual([3, 3, 3, 1]);
  expect(batches({ bytes_max: 1_000, entries_max: Infinity })).toEqual([10]);
});
