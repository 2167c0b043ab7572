import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { alive, pssOf_MiB, startTimeOf } from "./process-table.ts";

test("a process has memory, one that has ended and not been reaped has none", async () => {
  expect(pssOf_MiB(process.pid)).toBeGreaterThan(1);
  const parent = spawn("sh", ["-c", "sh -c 'echo $$' & exec sleep 1000"]);
  try {
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const child = Number(line.toString());
    await expect.poll(() => startTimeOf(child)).toBeUndefined();
    expect(alive(child, 0)).toBe(false);
    expect(pssOf_MiB(child)).toBeUndefined();
  } finally {
    parent.kill();
  }
});
