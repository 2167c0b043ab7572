import { expect, test, vi } from "vitest";
import { goDuration_ms, goInt64 } from "./go-values.ts";

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

test("an integer is read as Go's ParseInt reads it", () => {
  const zeros = "0".repeat(1_000);
  const texts = ["0", "+7", "-007", `${zeros}8`, "9223372036854775807", "-9223372036854775808"];
  expect(texts.map(goInt64)).toEqual([0n, 7n, -7n, 8n, 2n ** 63n - 1n, -(2n ** 63n)]);
  for (const text of ["", "+", "x", "1.5", "1_0", " 1", "+-1", "9223372036854775808"]) {
    expect([text, goInt64(text)]).toEqual([text, undefined]);
  }
});

test.each(["9".repeat(1_000), `${"0".repeat(1_000)}x`])(
  "no long text is converted: %.9s",
  (text) => {
    const convert = vi.spyOn(globalThis, "BigInt");
    expect(goInt64(text)).toBe(undefined);
    expect(convert).not.toHaveBeenCalled();
    vi.restoreAllMocks();
  },
);
