import { expect, test } from "vitest";
import { clocksAt } from "./clocks.ts";
import { libfaketimeOf } from "./libfaketime.ts";

const start = (text: string) => Date.parse(text);

test.each([
  ["day", "2026-11-21T10:00:00.500Z", "2026-11-22T10:00:00.500Z"],
  ["400-days", "2026-11-21T10:00:00.500Z", "2027-12-26T10:00:00.500Z"],
  ["leap-day", "2026-11-21T10:00:00.000Z", "2028-02-29T06:00:00.000Z"],
  ["leap-day", "2028-02-29T10:00:00.000Z", "2032-02-29T06:00:00.000Z"],
  ["leap-day", "2096-03-01T00:00:00.000Z", "2104-02-29T06:00:00.000Z"],
  ["midnight", "2026-11-21T10:00:00.000Z", "2026-11-21T23:59:30.000Z"],
  ["midnight", "2026-11-21T23:59:45.000Z", "2026-11-22T23:59:30.000Z"],
])("%s from %s is %s", (name, from, to) => {
  expect(start(from) + clocksAt(start(from))[name]! * 1000).toBe(start(to));
});

test("libfaketime is looked for in the architecture's folder, where that is known", () => {
  expect(libfaketimeOf("x64")).toContain("/x86_64-linux-gnu/");
  expect(libfaketimeOf("arm64")).toContain("/aarch64-linux-gnu/");
  expect(() => libfaketimeOf("mips")).toThrow("libfaketime on mips is not known");
});
