import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { withModuleCopy } from "./module-copy.ts";

/**
 * Builds commands of a released module (`PATH@VERSION`) into `binDir`, statically, with its own
 * go.mod: each package by the name that it gets. Of modules that are `nested` in its repository,
 * and so not in its release, the releases that it requires are taken.
 */
export function buildReleased(
  binDir: string,
  module: string,
  commands: Readonly<Record<string, string>>,
  nested: readonly string[] = [],
): void {
  const env = { ...process.env, CGO_ENABLED: "0" };
  withModuleCopy(module, (cwd) => {
    const go = (...args: string[]) => execFileSync("go", args, { cwd, env, stdio: "inherit" });
    for (const path of nested) go("mod", "edit", `-dropreplace=${path}`);
    const mode = nested.length > 0 ? "-mod=mod" : "-mod=readonly";
    for (const [name, command] of Object.entries(commands))
      go("build", mode, "-ldflags=-s -w", "-o", resolve(binDir, name), command);
  });
}
