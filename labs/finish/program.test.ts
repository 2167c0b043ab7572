import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import { ROOT_DIR } from "../runner/paths.ts";

const root = suiteFolder("r2k-bootstrap-");

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** The program that bootstrap.mjs runs on these words. */
function programOf(...words: string[]): string {
  const { R2K_SOURCE: _, ...env } = process.env;
  const args = [join(root, "bootstrap.mjs"), ...words];
  return execFileSync(process.execPath, args, { env }).toString();
}

it("the finish runs the bundle, which has a reader's parts; other commands of labs do not", () => {
  copyFileSync(join(ROOT_DIR, "bootstrap.mjs"), join(root, "bootstrap.mjs"));
  for (const lock of ["package-lock.json", "node_modules/.package-lock.json"]) {
    write(lock, `{ "packages": {} }`);
  }
  write("cli/main.ts", `process.stdout.write("source");`);
  write(".cache/bundle/main.js", `process.stdout.write("bundle");`);
  mkdirSync(join(root, "node_modules/node/bin"), { recursive: true });
  symlinkSync(process.execPath, join(root, "node_modules/node/bin/node"));
  expect(programOf("lab", "finish")).toBe("bundle");
  expect(programOf("store")).toBe("bundle");
  expect(programOf("lab", "check", "3")).toBe("source");
  expect(programOf("lab", "use", "own", "core")).toBe("source");
});
