// For runner.test.ts: fails the first time it runs, and passes the second.
import { existsSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";

test("fails once", () => {
  const marker = process.env["R2K_CASE_MARKER"]!;
  const second = existsSync(marker);
  writeFileSync(marker, "");
  expect(second).toBe(true);
});
