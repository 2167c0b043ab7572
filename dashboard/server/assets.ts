import { readFile, readdir } from "node:fs/promises";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

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

/** Compresses files of the page, given by their names. */
export async function assetsOf(texts: Readonly<Record<string, Uint8Array>>): Promise<Assets> {
  const compress = promisify(gzip);
  const assets = Object.entries(texts).map(async ([name, text]) => {
    return [name, { type: TYPES[extname(name)]!, gzip: await compress(text) }] as const;
  });
  return new Map(await Promise.all(assets));
}

/** Reads the page from the folder that `writePage` wrote. */
export async function readAssets(dir: string): Promise<Assets> {
  const names = await readdir(dir);
  const texts = names.map(async (name) => [name, await readFile(join(dir, name))] as const);
  return assetsOf(Object.fromEntries(await Promise.all(texts)));
}
