import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

const R2K = join(import.meta.dirname, "../r2k");
const NAME = "bench";

/** Runs `r2k` on the benchmarks' cluster; returns its output, throws where it fails. */
export function r2k(args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  return run([...args, "--name", NAME], env);
}

/** A line that a command printed, and the seconds since it was called. */
export type TimedLine = { readonly line: string; readonly at_s: number };

/** Runs `r2k` on the benchmarks' cluster; returns the lines of its messages and its duration. */
export async function timedR2k(
  args: readonly string[],
): Promise<{ lines: TimedLine[]; took_s: number }> {
  const start_ms = performance.now();
  const now_s = () => (performance.now() - start_ms) / 1000;
  const child = spawn(R2K, [...args, "--name", NAME], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(child, "close");
  const lines: TimedLine[] = [];
  for await (const line of createInterface(child.stderr)) {
    lines.push({ line, at_s: now_s() });
    process.stderr.write(`${line}\n`);
  }
  const [status] = (await ended) as [number | null];
  if (status !== 0) throw new Error(`r2k ${args.join(" ")} ended with ${status}`);
  return { lines, took_s: now_s() };
}

/** Removes the benchmarks' cluster, if there is one: an interrupted run may have left it. */
export function removeCluster(): void {
  const clusters = JSON.parse(run(["list", "-o", "json"])) as { name: string }[];
  if (clusters.some(({ name }) => name === NAME)) r2k(["down", "--purge"]);
}

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const result = spawnSync(R2K, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  if (result.status !== 0) throw new Error(`r2k ${args.join(" ")} ended with ${result.status}`);
  return result.stdout;
}
