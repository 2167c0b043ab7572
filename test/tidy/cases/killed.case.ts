// For runner.test.ts: ends the run as the kernel does when memory is short.
import { test } from "vitest";

test("kills the process that runs it", async () => {
  process.kill(process.ppid, "SIGKILL");
  await new Promise(() => {});
});
