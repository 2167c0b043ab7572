import { expect, test } from "vitest";
import { healthTimeOf } from "../run/values.ts";
import { healthTimes } from "./health.ts";

test("times of a health check are bounded", () => {
  expect(healthTimes({})).toEqual({ interval_ms: 30_000, timeout_s: 30 });
  expect(healthTimes({ Interval: 1, Timeout: -1 })).toEqual({ interval_ms: 1, timeout_s: 0.001 });
  expect(healthTimes({ Interval: 1e300, Timeout: Infinity })).toEqual({
    interval_ms: 86_400_000,
    timeout_s: 86_400,
  });
  const isStarting = true;
  expect(healthTimes({ Interval: 1e9 }, { isStarting }).interval_ms).toBe(5_000);
  expect(healthTimes({ StartInterval: 2e9 }, { isStarting }).interval_ms).toBe(2_000);
  expect(healthTimeOf("2ms")).toBe(2e6);
  expect(() => healthTimeOf("1ns")).toThrow("less than 1ms");
});
