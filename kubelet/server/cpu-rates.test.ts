import { expect, test } from "vitest";
import { CpuRates } from "./cpu-rates.ts";

const sample = (time_ms: number, total_ns: number, nanoCores?: number) => ({
  time_ms,
  total_ns,
  nanoCores,
});

test("a rate needs two samples: the first has none", () => {
  const rates = new CpuRates();
  expect(rates.rateOf("a", sample(1_000, 5e9))).toBeUndefined();
  expect(rates.rateOf("a", sample(3_000, 6e9))).toBe(5e8);
  expect(rates.rateOf("b", sample(3_000, 6e9))).toBeUndefined();
});

test("two samples close to each other give the rate before", () => {
  const rates = new CpuRates();
  rates.rateOf("a", sample(1_000, 0));
  expect(rates.rateOf("a", sample(1_500, 1e9))).toBeUndefined();
  expect(rates.rateOf("a", sample(3_000, 1e9))).toBe(5e8);
  expect(rates.rateOf("a", sample(3_100, 9e9))).toBe(5e8);
});

test("an idle second is a rate of 0; a counter that was reset has none", () => {
  const rates = new CpuRates();
  rates.rateOf("a", sample(1_000, 7e9));
  expect(rates.rateOf("a", sample(2_000, 7e9))).toBe(0);
  expect(rates.rateOf("a", sample(3_000, 1e9))).toBeUndefined();
  expect(rates.rateOf("a", sample(4_000, 2e9))).toBe(1e9);
});

test("two samples that are far apart, or a clock that was set back, give no rate", () => {
  const rates = new CpuRates();
  rates.rateOf("a", sample(1_000_000, 0));
  expect(rates.complete).toBe(false);
  expect(rates.rateOf("a", sample(1_010_000, 1e9))).toBe(1e8);
  expect(rates.complete).toBe(true);
  expect(rates.rateOf("a", sample(9_000_000, 2e9))).toBeUndefined();
  expect(rates.rateOf("a", sample(5_000_000, 3e9))).toBeUndefined();
  expect(rates.complete).toBe(false);
  expect(rates.rateOf("a", sample(5_001_000, 4e9))).toBe(1e9);
});

test("the runtime's own rate is taken as it is; a forgotten key begins again", () => {
  const rates = new CpuRates();
  expect(rates.rateOf("a", sample(1_000, 0, 42))).toBe(42);
  rates.rateOf("b", sample(1_000, 0));
  rates.retain(new Set(["a"]));
  expect(rates.rateOf("b", sample(3_000, 1e9))).toBeUndefined();
});
