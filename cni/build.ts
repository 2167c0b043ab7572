import { chmod, mkdir, rename, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { assert } from "@raft2kube/std/assert.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import type { Plugin } from "esbuild";
import { BUILD_MARK } from "./lib/mark.ts";
import { PLUGINS } from "./plugins/index.ts";

/** The longest `#!` line that the kernel reads (BINPRM_BUF_SIZE). */
const SHEBANG_BYTES = 255;

/**
 * Writes each plugin as one executable file into `folder`, run by this process's own Node, and
 * returns their paths. Existing files are replaced atomically: a running plugin keeps its own.
 * `resolvers` decide which sources are bundled: a reader's, for instance.
 */
export async function buildPlugins(
  folder: string,
  resolvers: readonly Plugin[] = [],
): Promise<string[]> {
  const outDir = resolve(folder); // esbuild reports absolute paths
  const shebang = `#!${process.execPath}`;
  if (shebang.length > SHEBANG_BYTES || /\s/.test(process.execPath)) {
    const what = `${process.execPath} is too long for a first line, or has spaces`;
    const remedy = "install into a plainer path";
    throw new CodedError("plugin-interpreter", `no interpreter for plugins: ${what}`, { remedy });
  }
  const { build } = await import("esbuild");
  const native = createRequire(import.meta.url).resolve("koffi");
  const { outputFiles } = await build({
    entryPoints: [...PLUGINS.keys()].map((name) => ({ in: entryOf(name), out: name })),
    bundle: true,
    write: false,
    outdir: outDir,
    platform: "node",
    format: "cjs",
    target: "node24",
    logLevel: "silent",
    // A native addon cannot be bundled: it is loaded from its installation.
    alias: { koffi: native },
    external: [native],
    plugins: [...resolvers],
  });
  await mkdir(outDir, { recursive: true });
  // Below a folder whose package.json says "module", Node would read the files as ES modules.
  await writeFile(join(outDir, "package.json"), '{ "type": "commonjs" }\n');
  const files: string[] = [];
  for (const name of PLUGINS.keys()) {
    const output = outputFiles.find(({ path }) => path === join(outDir, `${name}.js`));
    assert(output !== undefined, `esbuild wrote no ${name}`);
    const file = join(outDir, name);
    await writeFile(`${file}.new`, `${shebang}\n${BUILD_MARK}${name}\n${output.text}`);
    await chmod(`${file}.new`, 0o755);
    await rename(`${file}.new`, file);
    files.push(file);
  }
  return files;
}

function entryOf(plugin: string): string {
  return fileURLToPath(new URL(`./plugins/${plugin}/main.ts`, import.meta.url));
}
