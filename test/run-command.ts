import { join } from "node:path";
import type { GroupResult } from "./groups.ts";
import { runMeasured } from "./run-measured.ts";

const ROOT = join(import.meta.dirname, "..");

/** Runs a checker of the repository; it counts as one test. */
export async function runCommand(program: string, args: readonly string[]): Promise<GroupResult> {
  const { code, cpu_s } = await runMeasured(join(ROOT, program), args, { cwd: ROOT });
  const failures = code === 0 ? [] : [`${program} ended with ${code}`];
  return { passed: code === 0 ? 1 : 0, failures, leftOut: [], secondTries: [], cpu_s };
}
