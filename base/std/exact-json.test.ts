import { afterEach, expect, it, vi } from "vitest";
import { parseExact } from "./exact-json.ts";

afterEach(() => vi.restoreAllMocks());

it("integers of 64 bits keep every digit, others become doubles", () => {
  const numbers = ["9223372036854775807", "-9223372036854775808", "9007199254740991"];
  const texts = JSON.stringify(parseExact(`[${numbers.join()}]`));
  expect(texts).toBe(`[${numbers.join()}]`);
  expect(parseExact("[9223372036854775808,-9223372036854775809,1e30]")).toEqual([
    2 ** 63,
    -(2 ** 63),
    1e30,
  ]);
});

it.each(["", "-", "\n", "[", "[1,", '{"a":', '["9007199254740993", '])(
  "wherever: after %j",
  (before) => {
    const text = `${before}9007199254740993${before.includes("[") ? "]" : before === '{"a":' ? "}" : ""}`;
    expect(JSON.stringify(parseExact(text))).toBe(text.replaceAll(/\s/g, ""));
  },
);

it("a number of more digits is not converted to a bigint", () => {
  const text = "9".repeat(1_000);
  const convert = vi.spyOn(globalThis, "BigInt");
  expect(parseExact(`{"a":${text},"b":-${text}}`)).toEqual({ a: Infinity, b: -Infinity });
  expect(convert).not.toHaveBeenCalled();
});
