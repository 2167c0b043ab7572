import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { ROOT_DIR } from "./paths.ts";

/**
 * Returns the folder of the reader's files: `my/` in the product's folder (git ignores it), with
 * the reference's paths: `my/02/store/wal/wal.ts` replaces `store/wal/wal.ts`. R2K_LABS names
 * another folder, which must be below the product's: packages are resolved from there.
 */
export function ownRoot(environment: NodeJS.ProcessEnv = process.env): string {
  return environment["R2K_LABS"] ?? join(ROOT_DIR, "my");
}

/** Returns the reader's tree of one lab. */
export function ownTree(lab: string, environment: NodeJS.ProcessEnv = process.env): string {
  return join(ownRoot(environment), lab);
}

/** The files that a reader has of a lab. */
interface OwnFiles {
  readonly number: string;
  readonly files: readonly string[];
  readonly given?: readonly string[];
}

/** A digest of the files that a reader wrote for a lab: a pass holds for these alone. */
export function ownDigest(lab: OwnFiles): string {
  const hash = createHash("sha256");
  for (const file of lab.files) {
    const path = join(ownTree(lab.number), file);
    hash.update(`${file}\0`);
    if (existsSync(path)) hash.update(readFileSync(path));
    hash.update("\0");
  }
  return hash.digest("hex");
}

/** When a file that a reader writes for a lab was saved last, in milliseconds; 0 without any. */
export function lastSaved_ms(lab: OwnFiles): number {
  const times = [...lab.files, ...(lab.given ?? [])].map((file) => {
    return statSync(join(ownTree(lab.number), file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  });
  return Math.max(0, ...times);
}

/** A digest of all files of trees, by which a running program's parts are compared with others. */
export function treesDigest(trees: readonly string[]): string {
  const hash = createHash("sha256");
  for (const tree of trees) {
    const files = existsSync(tree) ? readdirSync(tree, { recursive: true, encoding: "utf8" }) : [];
    for (const file of files.filter((name) => name.endsWith(".ts")).sort()) {
      hash
        .update(`${file}\0`)
        .update(readFileSync(join(tree, file)))
        .update("\0");
    }
  }
  return hash.digest("hex");
}

/**
 * Resolves an import with the trees over the product: in a file of a tree, a relative import is
 * relative to its reference; a tree's file replaces the reference. Returns undefined for an import
 * of another package.
 */
export function resolveOverlaid(
  specifier: string,
  importer: string | undefined,
  trees: readonly string[],
): string | undefined {
  const target = referencePath(specifier, importer, trees);
  if (target === undefined) return undefined;
  const inside = relative(ROOT_DIR, target);
  if (inside.startsWith("..") || inside.includes("node_modules")) return undefined;
  const own = trees.map((tree) => join(tree, inside)).find((path) => existsSync(path));
  return own ?? target;
}

/** Returns an import's absolute path in the product, undefined for other packages. */
function referencePath(
  specifier: string,
  importer: string | undefined,
  trees: readonly string[],
): string | undefined {
  const named = /^@raft2kube\/([\w-]+)\/(.+)$/.exec(specifier);
  if (named) return join(ROOT_DIR, packageFolder(named[1]!), named[2]!);
  if (!specifier.startsWith(".") || importer === undefined) return undefined;
  const tree = trees.find((folder) => importer.startsWith(`${folder}/`));
  const logical = tree === undefined ? importer : join(ROOT_DIR, relative(tree, importer));
  return resolve(dirname(logical), specifier);
}

function packageFolder(name: string): string {
  if (existsSync(join(ROOT_DIR, "base", name, "package.json"))) return `base/${name}`;
  return name.startsWith("client-") ? `client/${name.slice("client-".length)}` : name;
}
