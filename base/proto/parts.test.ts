import { expect, test } from "vitest";
import { LeaseLeasesResponse, RangeResponse } from "./gen/etcd.ts";
import { encodeParts, isLong } from "./parts.ts";

const LIMITS = { items_max: 10, bytes: 1_000 };

test("the parts of a message are its bytes, none with more items or much larger than allowed", () => {
  const kvs = Array.from({ length: 95 }, (_, i) => {
    return { key: Buffer.from(`${i}`), value: Buffer.alloc(i < 50 ? 1 : 400), modRevision: i };
  });
  const message = { header: { revision: 7 }, kvs, more: true, count: 100 };
  const parts = [...encodeParts(RangeResponse, message, LIMITS)];
  expect(Buffer.concat(parts).equals(RangeResponse.encode(message))).toBe(true);
  const items = parts.map((part) => RangeResponse.decode(part).kvs.length);
  expect(Math.max(...items)).toBe(LIMITS.items_max);
  // The first large items come in a part whose number of items small ones had made large.
  expect(parts.filter(({ length }) => length > LIMITS.bytes).length).toBeLessThanOrEqual(1);
});

test("a message is long if one of its lists of messages is", () => {
  const kvs = Array.from({ length: 11 }, () => ({}));
  expect(isLong(RangeResponse, { kvs }, LIMITS)).toBe(true);
  expect(isLong(RangeResponse, { kvs: kvs.slice(1) }, LIMITS)).toBe(false);
  expect(isLong(RangeResponse, {}, LIMITS)).toBe(false);
  expect(isLong(LeaseLeasesResponse, { leases: kvs }, LIMITS)).toBe(true);
});
