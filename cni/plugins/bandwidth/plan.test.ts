import { expect, test } from "vitest";
import { ifbName, planBucket } from "./plan.ts";

test("a bound becomes bytes, with 25 ms of traffic that waits", () => {
  expect(planBucket({ rate_bits: 8_000_000, burst_bits: 80_000 })).toEqual({
    rate: 1_000_000,
    burst_bytes: 10_000,
    limit_bytes: 35_000,
  });
});

test("bounds of less than a byte are one", () => {
  expect(planBucket({ rate_bits: 1, burst_bits: 1 })).toEqual({
    rate: 1,
    burst_bytes: 1,
    limit_bytes: 1,
  });
});

test("a bucket is one that the kernel can have, so that CHECK finds it again", () => {
  const { rate, limit_bytes } = planBucket({ rate_bits: 1e15, burst_bits: 2 ** 31 - 1 });
  expect([rate, limit_bytes]).toEqual([1.25e14, 2 ** 32 - 1]);
});

test("a link's name fits the kernel's bound and depends on network and container", () => {
  const names = [ifbName("a", "b"), ifbName("a", "c"), ifbName("d", "b")];
  expect(new Set(names).size).toBe(3);
  for (const name of names) expect(name).toMatch(/^bwp[0-9a-f]{12}$/);
});
