import { createWriteStream } from "node:fs";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative } from "node:path";
import { pipeline } from "node:stream/promises";
import { buildArchive } from "@raft2kube/runtime/build/image-builder.ts";
import { nodeProgramRecipe } from "@raft2kube/runtime/build/node-program.ts";
import { ETCD_VERSION } from "@raft2kube/store/version.ts";
import { Command } from "commander";
import { ROOT_DIR } from "../assets.ts";
import { CommandError } from "../terminal.ts";

/** Where the product lies in the image. */
const PLACE = "/opt/r2k";
const BUNDLES = ".cache/bundle";
const ENTRY = "etcd-server.js";

/** `r2k image store FILE`: the store as an image in etcd's place. */
export function storeCommand(): Command {
  return new Command("store")
    .argument("<file>", "the OCI archive to write (r2k image load, ctr images import, skopeo)")
    .description("Build an image with this store as /usr/local/bin/etcd.")
    .option("--name <reference>", "the image's name", `r2k.local/etcd:${ETCD_VERSION}`)
    .action(run);
}

async function run(file: string, flags: { name: string }): Promise<void> {
  const files = productFiles();
  const recipe = await nodeProgramRecipe({
    image: flags.name,
    node: process.execPath,
    command: "etcd",
    module: `${PLACE}/${BUNDLES}/${ENTRY}`,
    files,
    env: { R2K_ROOT: PLACE },
  });
  await pipeline(await buildArchive(recipe), createWriteStream(file, { mode: 0o644 }));
  process.stdout.write(`built ${flags.name} into ${file}\n`);
}

/** The store's bundle, what of the other bundles it loads, and the packages these need. */
function productFiles(): Map<string, string> {
  const bundles = join(ROOT_DIR, BUNDLES);
  const files = new Map<string, string>();
  const packages = new Set<string>();
  takeBundle(join(bundles, ENTRY), files, packages);
  for (const name of packages) takePackage(name, ROOT_DIR, files, new Set());
  return files;
}

function takeBundle(path: string, files: Map<string, string>, packages: Set<string>): void {
  const place = join(PLACE, relative(ROOT_DIR, path));
  if (files.has(place)) return;
  if (!existsSync(path)) {
    const remedy = "run it as ./r2k image store, which makes the bundles";
    throw new CommandError("NO_BUNDLE", `${path} is not there`, { remedy });
  }
  files.set(place, path);
  const text = readFileSync(path, "utf8");
  // Relative paths: imports, lazy ones, and threads.
  for (const [, name] of text.matchAll(/["'](\.{1,2}\/[\w@./-]+\.js)["']/g)) {
    const other = join(dirname(path), name!);
    if (existsSync(other)) takeBundle(other, files, packages);
  }
  for (const [, name] of text.matchAll(/(?:from|import)\s*\(?\s*["']([@\w][\w@/.-]*)["']/g)) {
    if (!name!.startsWith("node:") && !builtinModules.includes(name!)) packages.add(name!);
  }
}

/** Code and data of a package and of those it needs, for this platform. */
function takePackage(
  name: string,
  from: string,
  files: Map<string, string>,
  taken: Set<string>,
): void {
  const dir = findPackage(name, from);
  if (dir === undefined || taken.has(dir)) return;
  taken.add(dir);
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const inside = relative(dir, path);
    if (entry.isFile() && isNeeded(inside)) files.set(placeOf(path), path);
  }
  const { dependencies = {} } = JSON.parse(readFileSync(join(dir, "package.json"), "utf8")) as {
    dependencies?: Record<string, string>;
  };
  for (const each of Object.keys(dependencies)) takePackage(each, dir, files, taken);
}

/** The path in the image: all packages lie below the product, wherever npm put them here. */
function placeOf(path: string): string {
  return join(PLACE, "node_modules", path.slice(path.indexOf("/node_modules/") + 14));
}

const PLATFORM = `prebuilds/${process.platform}-${process.arch}/`;

function isNeeded(inside: string): boolean {
  if (inside.startsWith("prebuilds/")) return inside.startsWith(PLATFORM);
  if (/^(test|tests|docs|benchmarks|examples|deps|node_modules)\//.test(inside)) return false;
  return /\.(js|cjs|mjs|json|node)$/.test(inside);
}

/** A package's folder, found as Node finds it; undefined for one that is optional and not there. */
function findPackage(name: string, from: string): string | undefined {
  for (let at = from; ; at = dirname(at)) {
    const dir = join(at, "node_modules", name);
    if (existsSync(join(dir, "package.json"))) return dir;
    if (at === dirname(at)) return undefined;
  }
}
