import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/**
 * Calls `use` with a copy of a Go module (`PATH@VERSION`) that can be changed and built, and
 * removes the copy. The module's own go.mod and go.sum choose its dependencies.
 */
export function withModuleCopy(module: string, use: (dir: string) => void): void {
  const words = ["mod", "download", "-json", module];
  const { Dir } = JSON.parse(execFileSync("go", words, { encoding: "utf8" })) as { Dir: string };
  const dir = mkdtempSync(path.join(tmpdir(), "r2k-module-"));
  try {
    cpSync(Dir, dir, { recursive: true });
    makeWritable(dir); // Go's module cache is read-only
    use(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function makeWritable(dir: string): void {
  for (const name of ["", ...readdirSync(dir, { recursive: true, encoding: "utf8" })]) {
    const file = path.join(dir, name);
    chmodSync(file, statSync(file).mode | 0o200);
  }
}
