import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Assets, assetsOf, readAssets } from "./server/assets.ts";

const PAGE_DIR = join(import.meta.dirname, "page");

/** The page: built from its sources where they are, else read from where `writePage` put it. */
export async function pageAssets(builtDir: string): Promise<Assets> {
  return existsSync(PAGE_DIR) ? await assetsOf(await built()) : await readAssets(builtDir);
}

/** Writes the built page into a folder, for a package without sources. */
export async function writePage(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const [name, text] of Object.entries(await built())) await writeFile(join(dir, name), text);
}

/** Terminal, YAML and diff are parts of their own, loaded when they are used. */
async function built(): Promise<Record<string, Uint8Array>> {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [join(PAGE_DIR, "main.tsx"), join(PAGE_DIR, "main.css")],
    outdir: "/",
    bundle: true,
    splitting: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
  });
  return Object.fromEntries(outputFiles.map(({ path, contents }) => [path.slice(1), contents]));
}
