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
      resolve(code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 });
    });
  });
}
