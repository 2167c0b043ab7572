// For runner.test.ts: one test fails the first time it runs, the other must not run again.
// Each test stands alone: neither needs the other.
import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const marker = process.env["R2K_CASE_MARKER"]!;

test("passes", () => {
  appendFileSync(`${marker}-passed`, "once ");
});

describe("of a group (with brackets)", () => {
  test("fails once", () => {
    const second = existsSync(`${marker}-alone`);
    writeFileSync(`${marker}-alone`, "");
    expect(second).toBe(true);
  });
});
