import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

const PAGE_DIR = join(import.meta.dirname, "page");

/** A file of the page, compressed. */
export interface Asset {
  readonly type: string;
  readonly gzip: Buffer;
}

/** The page's files by name. */
export type Assets = ReadonlyMap<string, Asset>;

const TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
};

/** The page: built from its sources where they are, else read from where `writePage` put it. */
export async function pageAssets(builtDir: string): Promise<Assets> {
  const texts = existsSync(PAGE_DIR) ? await built() : await read(builtDir);
  const compress = promisify(gzip);
  const assets = Object.entries(texts).map(async ([name, text]) => {
    return [name, { type: TYPES[extname(name)]!, gzip: await compress(text) }] as const;
  });
  return new Map(await Promise.all(assets));
}

/** Writes the built page into a folder, for a package without sources. */
export async function writePage(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const [name, text] of Object.entries(await built())) await writeFile(join(dir, name), text);
}

async function read(dir: string): Promise<Record<string, Uint8Array>> {
  const names = await readdir(dir);
  const texts = names.map(async (name) => [name, await readFile(join(dir, name))] as const);
  return Object.fromEntries(await Promise.all(texts));
}

/** Terminal, YAML and diff are parts of their own, loaded when they are used. */
async function built(): Promise<Record<string, Uint8Array>> {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [join(PAGE_DIR, "main.tsx"), join(PAGE_DIR, "main.css")],
    outdir: "/",
    bundle: true, splitting: true, minify: true, write: false,
    format: "esm", target: "es2022", charset: "utf8", legalComments: "none", logLevel: "error",
    jsx: "automatic", jsxImportSource: "preact",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  return Object.fromEntries(outputFiles.map(({ path, contents }) => [path.slice(1), contents]));
}
