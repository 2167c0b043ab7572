import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs the program in its arguments, then writes its own statistics to the file that is `$0`. */
const RUN = '"$@"; code=$?; cat "/proc/$$/stat" > "$0"; exit $code';
/** Fields of `/proc/PID/stat` after the name: processor time in user mode and in the kernel. */
const OWN = [11, 12] as const;
/** The same of its children that have ended and were waited for. */
const OF_CHILDREN = [13, 14] as const;
/** USER_HZ, which is 100 on all platforms that Node supports. */
const TICKS_OF_SECOND = 100;
/** Programs of Go, as the compiler and esbuild are, spend a third of their time on garbage else. */
const GO = { GOGC: "400" };

export interface MeasureOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly output?: "inherit" | "ignore";
}

export interface Measured {
  readonly code: number;
  /**
   * Processor time of the program and of all processes that it, or a descendant, waited for. A
   * cluster's processes, which outlive the command that started them, are not in it.
   */
  readonly cpu_s: number;
}

/** Runs a program to its end and measures its processor time. */
export async function runMeasured(
  program: string,
  args: readonly string[],
  { cwd, env = process.env, output = "inherit" }: MeasureOptions,
): Promise<Measured> {
  const dir = mkdtempSync(join(tmpdir(), "r2k-measured-"));
  const file = join(dir, "stat");
  try {
    const code = await new Promise<number>((resolve, reject) => {
      const words = ["-c", RUN, file, program, ...args];
      const child = spawn("sh", words, {
        cwd,
        env: { ...GO, ...env },
        stdio: ["ignore", output, output],
      });
      child.once("error", reject);
      child.once("exit", (status) => resolve(status ?? 1));
    });
    // Empty when the shell was killed before.
    const stat = readFileSync(file, { encoding: "utf8", flag: "a+" });
    return { code, cpu_s: processorTime_s(stat, OF_CHILDREN) };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Processor time of this process and of the programs that it waited for, in seconds. */
export function ownProcessorTime_s(): number {
  return processorTime_s(readFileSync("/proc/self/stat", "utf8"), [...OWN, ...OF_CHILDREN]);
}

function processorTime_s(stat: string, counted: readonly number[]): number {
  const fields = stat
    .slice(stat.lastIndexOf(")") + 1)
    .trim()
    .split(" ");
  return counted.reduce((sum, at) => sum + Number(fields[at] ?? 0), 0) / TICKS_OF_SECOND;
}
