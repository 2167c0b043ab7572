import { execFileSync } from "node:child_process";
import { cpSync } from "node:fs";
import { resolve } from "node:path";
import { withModuleCopy } from "./module-copy.ts";

/**
 * Builds commands of a released module (`PATH@VERSION`) into `binDir`, statically, with its own
 * go.mod: each package by the name that it gets. Of modules that are `nested` in its repository,
 * and so not in its release, the releases that it requires are taken. A release has no symbolic
 * links and nothing generated: `copies` are made, of files that it has, in their places.
 */
export function buildReleased(
  binDir: string,
  module: string,
  commands: Readonly<Record<string, string>>,
  nested: readonly string[] = [],
  copies: Readonly<Record<string, string>> = {},
): void {
  const env = { ...process.env, CGO_ENABLED: "0" };
  withModuleCopy(module, (cwd) => {
    const go = (...args: string[]) => execFileSync("go", args, { cwd, env, stdio: "inherit" });
    for (const path of nested) go("mod", "edit", `-dropreplace=${path}`);
    for (const [file, of] of Object.entries(copies)) cpSync(resolve(cwd, of), resolve(cwd, file));
    const mode = nested.length > 0 ? "-mod=mod" : "-mod=readonly";
    for (const [name, command] of Object.entries(commands))
      go("build", mode, "-ldflags=-s -w", "-o", resolve(binDir, name), command);
  });
}
