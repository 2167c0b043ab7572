import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { withModuleCopy } from "./module-copy.ts";

/**
 * Builds commands of a released module (`PATH@VERSION`) into `binDir`, statically, with its own
 * go.mod: each package by the name that it gets.
 */
export function buildReleased(
  binDir: string,
  module: string,
  commands: Readonly<Record<string, string>>,
): void {
  const env = { ...process.env, CGO_ENABLED: "0" };
  withModuleCopy(module, (cwd) => {
    for (const [name, command] of Object.entries(commands)) {
      const flags = ["-mod=readonly", "-ldflags=-s -w", "-o", resolve(binDir, name)];
      execFileSync("go", ["build", ...flags, command], { cwd, env, stdio: "inherit" });
    }
  });
}
