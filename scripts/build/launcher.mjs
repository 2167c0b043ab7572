#!/usr/bin/env node
// The installed command: runs the bundle on the Node that came with the package.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const node = join(dirname(createRequire(import.meta.url).resolve("node/package.json")), "bin/node");
if (!existsSync(node)) {
  // npm 11.6 and later run the scripts of packages only when they are allowed to.
  process.stderr.write(
    "r2k: its Node was not installed: npm did not run the script of the package `node`.\n" +
      '  remedy: "allowScripts": { "node": true } in your package.json, then npm rebuild node\n',
  );
  process.exit(2);
}
const args = ["--disable-warning=ExperimentalWarning", join(root, ".cache/bundle/main.js")];
const child = spawn(node, [...args, ...process.argv.slice(2)], {
  stdio: "inherit",
  env: { ...process.env, R2K_ROOT: root },
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code) => process.exit(code ?? 1));
