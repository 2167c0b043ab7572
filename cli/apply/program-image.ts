import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative } from "node:path";
import type { Readable } from "node:stream";
import { buildArchive } from "@raft2kube/runtime/build/image-builder.ts";
import { nodeProgramRecipe } from "@raft2kube/runtime/build/node-program.ts";
import { ETCD_VERSION } from "@raft2kube/store/version.ts";
import { ROOT_DIR } from "../assets.ts";
import { requireProgram } from "../preflight/programs.ts";
import { CommandError } from "../terminal.ts";

/** Where the product lies in the image. */
export const PLACE = "/opt/r2k";
export const BUNDLES = ".cache/bundle";
const BUILD_DIGITS = 8;

/** A program of the product that an image can be made of. */
export interface Program {
  readonly bundle: string;
  readonly command: string;
  /** The image's name by default. */
  readonly image: string;
  readonly description: string;
  /** Whether the arguments of a container are this program's, with no command before them. */
  readonly isEntrypoint: boolean;
  /** Programs of this machine that it needs. */
  readonly programs?: readonly string[];
  /** Folders of the product that it reads. */
  readonly folders?: readonly string[];
}

export const IMAGE_PROGRAMS = {
  store: {
    bundle: "etcd-server.js",
    command: "etcd",
    image: `r2k.local/etcd:${ETCD_VERSION}`,
    description: "Build an image with this store as /usr/local/bin/etcd.",
    isEntrypoint: false,
  },
  "port-proxy": {
    bundle: "port-proxy.js",
    command: "port-proxy",
    image: "r2k.local/port-proxy:1",
    description: "Build an image that serves a pod's port from a Service: tcp|udp PORT SERVICE.",
    isEntrypoint: true,
  },
  ingress: {
    bundle: "ingress.js",
    command: "ingress",
    image: "r2k.local/ingress:1",
    description: "Build an image of the ingress controller and its haproxy.",
    isEntrypoint: false,
    programs: ["haproxy"],
  },
  dashboard: {
    bundle: "dashboard.js",
    command: "dashboard",
    image: "r2k.local/dashboard:1",
    description: "Build an image of the dashboard.",
    isEntrypoint: false,
    folders: [".cache/dashboard"],
  },
} as const satisfies Record<string, Program>;

/** The archive of a program's image. */
export async function programArchive(program: Program, image = program.image): Promise<Readable> {
  const { bundle, command, isEntrypoint, programs = [], folders = [] } = program;
  const recipe = await nodeProgramRecipe({
    image,
    node: process.execPath,
    command,
    isEntrypoint,
    module: `${PLACE}/${BUNDLES}/${bundle}`,
    files: new Map([...productFiles(bundle), ...folders.flatMap(filesIn)]),
    programs: await Promise.all(programs.map(requireProgram)),
    env: { R2K_ROOT: PLACE },
  });
  return buildArchive(recipe);
}

function filesIn(folder: string): [place: string, path: string][] {
  return readdirSync(join(ROOT_DIR, folder)).map((name) => [
    join(PLACE, folder, name),
    join(ROOT_DIR, folder, name),
  ]);
}

/** A program's bundle, what of the other bundles it loads, and the packages these need. */
export function productFiles(bundle: string): Map<string, string> {
  const bundles = join(ROOT_DIR, BUNDLES);
  const files = new Map<string, string>();
  const packages = new Set<string>();
  takeBundle(join(bundles, bundle), files, packages);
  for (const name of packages) takePackage(name, ROOT_DIR, files, new Set());
  return files;
}

/** Identifies this build of the product: a digest of its bundles, and of folders it reads. */
export function buildOf(bundle: string, folders: readonly string[] = []): string {
  const bundles = new Map<string, string>();
  takeBundle(join(ROOT_DIR, BUNDLES, bundle), bundles, new Set());
  const hash = createHash("sha256");
  const files = [...bundles, ...folders.flatMap(filesIn)].sort();
  for (const [place, path] of files) hash.update(place).update(readFileSync(path));
  return hash.digest("hex").slice(0, BUILD_DIGITS);
}

/** The name of a package in a bundle: esbuild numbers a second `require`. */
const PACKAGE = /(?:from|import|require\d*)\s*\(?\s*["']([@\w][\w@/.-]*)["']/g;

function takeBundle(path: string, files: Map<string, string>, packages: Set<string>): void {
  const place = join(PLACE, relative(ROOT_DIR, path));
  if (files.has(place)) return;
  if (!existsSync(path)) {
    const remedy = "run it as ./r2k image, which makes the bundles";
    throw new CommandError("NO_BUNDLE", `${path} is not there`, { remedy });
  }
  files.set(place, path);
  // esbuild breaks lines within names too.
  const text = readFileSync(path, "utf8").replaceAll("\\\n", "");
  // Relative paths: imports, lazy ones, and threads.
  for (const [, name] of text.matchAll(/["'](\.{1,2}\/[\w@./-]+\.js)["']/g)) {
    const other = join(dirname(path), name!);
    if (existsSync(other)) takeBundle(other, files, packages);
  }
  for (const [, name] of text.matchAll(PACKAGE)) {
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
  const { dependencies, optionalDependencies } = JSON.parse(
    readFileSync(join(dir, "package.json"), "utf8"),
  ) as Partial<Record<"dependencies" | "optionalDependencies", Record<string, string>>>;
  for (const each of Object.keys({ ...dependencies, ...optionalDependencies })) {
    takePackage(each, dir, files, taken);
  }
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
