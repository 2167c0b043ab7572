import { existsSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { ROOT_DIR } from "./paths.ts";

/**
 * Where a reader's files are: `my/` in the product's folder (git ignores it), in the same tree as
 * the reference: `my/02/store/wal/wal.ts` replaces `store/wal/wal.ts`. R2K_LABS moves it, to
 * another folder below the product's: packages are found from there.
 */
export function ownRoot(environment: NodeJS.ProcessEnv = process.env): string {
  return environment["R2K_LABS"] ?? join(ROOT_DIR, "my");
}

/** The reader's tree of one lab. */
export function ownTree(lab: string, environment: NodeJS.ProcessEnv = process.env): string {
  return join(ownRoot(environment), lab);
}

/**
 * Resolves an import as if the trees lay over the product: from a file in a tree, a relative import
 * means the file beside its reference; a tree's file wins over the reference. Undefined where the
 * import does not concern a tree.
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

/** The absolute path in the product that an import means, undefined for packages of others. */
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

const BASE = ["std", "proto", "h2", "rpc", "linux", "pki", "streaming", "observe"];

function packageFolder(name: string): string {
  if (BASE.includes(name)) return `base/${name}`;
  return name.startsWith("client-") ? `client/${name.slice("client-".length)}` : name;
}
