import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

/** A file of the page, compressed. */
type Asset = { readonly type: string; readonly gzip: Buffer };

/** The page's files by name. */
export type Assets = ReadonlyMap<string, Asset>;

const TYPES: Readonly<Record<string, string>> = { ".js": "text/javascript", ".css": "text/css" };

/** Compresses files of the page, given by their names. */
export async function assetsOf(texts: Readonly<Record<string, Uint8Array>>): Promise<Assets> {
  const compress = promisify(gzip);
  const assets = Object.entries(texts).map(async ([name, text]) => {
    const type = `${TYPES[extname(name)]}; charset=utf-8`;
    return [name, { type, gzip: await compress(text) }] as const;
  });
  return new Map(await Promise.all(assets));
}

/** Reads the page from the folder that `writePage` wrote. */
export async function readAssets(dir: string): Promise<Assets> {
  const names = await readdir(dir);
  const texts = names.map(async (name) => [name, await readFile(join(dir, name))] as const);
  return assetsOf(Object.fromEntries(await Promise.all(texts)));
}
