import { readFileSync } from "node:fs";
import path from "node:path";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { expect, onTestFinished, test } from "vitest";
import { testFolder } from "../testing/folders.ts";
import { runCommand } from "./command.ts";

test("a program that takes too long is given up although its child holds its output", async () => {
  const file = path.join(testFolder("r2k-command-"), "pid");
  onTestFinished(() => {
    const pid = tolerateSync(() => Number(readFileSync(file, "utf8")), errno("ENOENT"));
    if (pid !== undefined) process.kill(pid, "SIGKILL");
  });
  const script = `sleep 1000 & echo $! > ${file}; wait`;
  const ended = runCommand("/bin/sh", ["-c", script], { timeout_ms: 500 });
  await expect(ended).rejects.toMatchObject({ code: "deadline-exceeded" });
});
