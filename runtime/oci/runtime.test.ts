import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { readLog } from "./runtime.ts";

test("a log is read in one pass, whatever a container's command has in it", async () => {
  const dir = testFolder("r2k-oci-log-");
  const file = join(dir, "log");
  await writeFile(file, 'time="2026-01-01T00:00:00Z" level=error msg="no such file"\n');
  expect(await readLog(file)).toBe('"no such file"');
  const lines = "time=\n".repeat(1_000_000);
  await writeFile(file, `executable ${lines}`);
  expect((await readLog(file)).length).toBeGreaterThan(5_000_000);
});
