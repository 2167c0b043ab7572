import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

/** The page's files by name, compressed. */
export type Assets = ReadonlyMap<string, { readonly type: string; readonly gzip: Buffer }>;

const PAGE_DIR = join(import.meta.dirname, "page");
const compress = promisify(gzip);

/** The page: built from its sources where they are, else read from where `writePage` put it. */
export async function pageAssets(builtDir: string): Promise<Assets> {
  const files = existsSync(PAGE_DIR) ? await built() : await writtenIn(builtDir);
  const assets = files.map(async ([name, text]) => {
    const type = `text/${name.endsWith(".js") ? "javascript" : "css"}; charset=utf-8`;
    return [name, { type, gzip: await compress(text) }] as const;
  });
  return new Map(await Promise.all(assets));
}

/** Writes the built page into a folder, for a package without sources. */
export async function writePage(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const [name, text] of await built()) await writeFile(join(dir, name), text);
}

async function writtenIn(dir: string) {
  const names = await readdir(dir);
  return Promise.all(names.map(async (name) => [name, await readFile(join(dir, name))] as const));
}

/** Terminal, YAML and diff are parts of their own, loaded when they are used. */
async function built() {
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
  return outputFiles.map(({ path, contents }) => [path.slice(1), contents] as const);
}
