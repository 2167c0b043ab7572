import { expect, test } from "vitest";
import { warningHeaders } from "./warnings.ts";

test("a few warnings are sent whole, each once", () => {
  const long = "x".repeat(4_000);
  expect(warningHeaders(['a "b"\n', long, 'a "b"\n'])).toEqual([
    '299 - "a \\"b\\" "',
    `299 - "${long}"`,
  ]);
});

test("many are cut, and those past the limit left out", () => {
  const texts = Array.from({ length: 200_000 }, (_, i) => `${i} ${"\u{1f600}".repeat(300)}`);
  const headers = warningHeaders(texts);
  expect(headers.join("").length).toBeLessThan(6_000);
  expect(headers[0]).toMatch(/^299 - "0 \?+"$/);
});
