import { spawn } from "node:child_process";
import { join } from "node:path";
import type { GroupResult } from "./groups.ts";

const ROOT = join(import.meta.dirname, "..");

/** Runs a checker of the repository; it counts as one test. */
export function runCommand(program: string, args: readonly string[]): Promise<GroupResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(ROOT, program), args, { cwd: ROOT, stdio: ["ignore", 1, 2] });
    child.once("error", reject);
    child.once("exit", (code) => {
      const failures = code === 0 ? [] : [`${program} ended with ${code}`];
      resolve({ passed: code === 0 ? 1 : 0, failures, leftOut: [], secondTries: [] });
    });
  });
}
