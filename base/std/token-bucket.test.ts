import { expect, test } from "vitest";
import { TokenBucket } from "./token-bucket.ts";

/** A bucket of three, with ten more each second. */
function started() {
  let now_ms = 0;
  const clock = { monotonic: () => now_ms };
  const pass = (ms: number) => (now_ms += ms);
  return { bucket: new TokenBucket(clock, { capacity: 3, perSecond: 10 }), pass };
}

const takeAll = (bucket: TokenBucket) => {
  let taken = 0;
  while (bucket.take()) taken++;
  return taken;
};

test("a bucket allows its burst, and then the rate", () => {
  const { bucket, pass } = started();
  expect([takeAll(bucket), bucket.wait_ms]).toEqual([3, 100]);
  pass(150);
  expect([takeAll(bucket), bucket.wait_ms]).toEqual([1, 50]);
});

test("a bucket that was not used holds no more than a burst", () => {
  const { bucket, pass } = started();
  pass(10_000);
  expect([bucket.take(), takeAll(bucket)]).toEqual([true, 2]);
  bucket.give(7);
  expect([bucket.wait_ms, takeAll(bucket)]).toEqual([0, 3]);
});
