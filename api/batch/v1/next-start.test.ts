import { expect, it, vi } from "vitest";
import { isTimeZone } from "./next-start.ts";

it("clocks are kept for some zones, however many ways there are to write their names", () => {
  const letters = [..."europe/berlin"];
  const written = (way: number) =>
    letters.map((letter, at) => ((way >> at) & 1 ? letter.toUpperCase() : letter)).join("");
  const made = vi.spyOn(Intl, "DateTimeFormat");
  try {
    for (let way = 0; way < 32; way++) expect(isTimeZone(written(way))).toBe(true);
    const before = made.mock.calls.length;
    expect(isTimeZone(written(0))).toBe(true);
    expect(made.mock.calls.length).toBe(before);
    for (let way = 0; way < 512; way++) isTimeZone(written(way));
    const after = made.mock.calls.length;
    // Driven out by the others.
    expect(isTimeZone(written(0))).toBe(true);
    expect(made.mock.calls.length).toBe(after + 1);
  } finally {
    made.mockRestore();
  }
});
