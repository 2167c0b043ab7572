import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/** The page's files by name, compressed. */
export type Assets = ReadonlyMap<string, { readonly type: string; readonly gzip: Buffer }>;

const PAGE_DIR = join(import.meta.dirname, "page");

/** The page: built from its sources where they are, else read from where `writePage` put it. */
export async function pageAssets(builtDir: string): Promise<Assets> {
  const read = (name: string) => [name, readFileSync(join(builtDir, name))] as const;
  const files = existsSync(PAGE_DIR) ? await built() : readdirSync(builtDir).map(read);
  return new Map(
    files.map(([name, text]) => {
      const type = `text/${name.endsWith(".js") ? "javascript" : "css"}; charset=utf-8`;
      return [name, { type, gzip: gzipSync(text) }];
    }),
  );
}

/** Writes the built page into a folder, for a package without sources. */
export async function writePage(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const [name, text] of await built()) await writeFile(join(dir, name), text);
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
