import { spawnSync } from "node:child_process";
import { join } from "node:path";

const R2K = join(import.meta.dirname, "../r2k");
const NAME = "bench";

/** Runs `r2k` on the benchmarks' cluster; returns its output, throws where it fails. */
export function r2k(args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  return run([...args, "--name", NAME], env);
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
