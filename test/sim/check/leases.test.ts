import { expect, test } from "vitest";
import { type LeaseHistory, leasesEnd, leasesKept } from "./leases.ts";

const lease = (change: Partial<LeaseHistory>): LeaseHistory => ({
  id: 7n,
  ttl_s: 2,
  renewals: [
    { asked_ms: 0, answered_ms: 10 },
    { asked_ms: 1_000, answered_ms: 1_010 },
  ],
  expired_ms: undefined,
  ended_ms: undefined,
  ...change,
});

test("lease kept: it ends after its last acknowledged renewal's time, by the fastest clock", () => {
  expect(leasesKept([lease({ expired_ms: 3_000 }), lease({})], 1)).toBe(1);
  leasesKept([lease({ expired_ms: 2_900 })], 1.1);
  expect(() => leasesKept([lease({ expired_ms: 2_900 })], 1)).toThrow("lease kept");
});

test("lease kept: a renewal that was not acknowledged before the end promises nothing", () => {
  const late = { asked_ms: 1_900, answered_ms: 3_500 };
  leasesKept([lease({ expired_ms: 3_000, renewals: [{ asked_ms: 0, answered_ms: 1 }, late] })], 1);
});

test("lease ends: not for ever", () => {
  leasesEnd([lease({ ended_ms: 3_100 }), lease({})], 1_000, 4_000);
  expect(() => leasesEnd([lease({})], 1_000, 4_100)).toThrow("lease 7 of 2 s lives at 4100");
});
