import { expect, test } from "vitest";
import { goDuration_ms } from "./go-values.ts";

test.each<[string, number | undefined]>([
  ["5s", 5_000],
  ["1h30m", 5_400_000],
  ["1.5s", 1_500],
  ["100ms", 100],
  ["0", 0],
  ["250us", 0.25],
  ["-5s", -5_000],
  ["+5s", 5_000],
  ["--5s", undefined],
  ["5s-1s", undefined],
  ["5", undefined],
  ["", undefined],
  ["5 s", undefined],
  ["h", undefined],
])("the duration %j", (text, expected) => {
  expect(goDuration_ms(text)).toBe(expected);
});

test("digits without a unit are read once", () => {
  expect(goDuration_ms("1".repeat(1_000_000))).toBeUndefined();
});
