import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parsePressure, readPressures } from "./pressure.ts";

const some = { avg10: 1.5, avg60: 0.25, avg300: 0, total_us: 46356041310 };
const none = { avg10: 0, avg60: 0, avg300: 0, total_us: 0 };

test("both lines of a file are read; the processor may have one", () => {
  const line = "some avg10=1.50 avg60=0.25 avg300=0.00 total=46356041310\n";
  expect(parsePressure(line)).toEqual({ some, full: none });
  const both = `${line}full avg10=0.10 avg60=0.00 avg300=0.00 total=7\n`;
  expect(parsePressure(both).full).toEqual({ ...none, avg10: 0.1, total_us: 7 });
});

test("a resource without a file has no pressure", () => {
  const dir = mkdtempSync(join(tmpdir(), "r2k-pressure-"));
  try {
    writeFileSync(join(dir, "io"), "some avg10=1.50 avg60=0.25 avg300=0.00 total=46356041310\n");
    expect(readPressures((name) => join(dir, name))).toEqual({ io: { some, full: none } });
  } finally {
    rmSync(dir, { recursive: true });
  }
});
