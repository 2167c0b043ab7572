import { appendFileSync } from "node:fs";
import { expect, test } from "vitest";

/** Writes down a test's name and the process it runs in, for runner.test.ts. */
export function recordPid(name: string): void {
  test(name, () => {
    const path = process.env["R2K_CASE_PIDS"]!;
    appendFileSync(path, `${name} ${process.pid}\n`);
    expect(process.pid).toBeGreaterThan(0);
  });
}
