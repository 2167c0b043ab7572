import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type Lab, readLabs } from "./manifest.ts";
import { ownRoot, ownTree } from "./own-tree.ts";
import { ROOT_DIR } from "./paths.ts";

/** The folder of links to the product, in the reader's own folder. */
const PRODUCT = ".product";

/**
 * Lets an editor complete, navigate and type-check in the reader's files as if they lay over the
 * product's: `tsconfig.json` in the reader's folder, with `rootDirs`, and links to every source of
 * the product that the reader does not write. Through a link, a relative import of the product's
 * own files finds the reader's, so that there is one type of each name.
 */
export function writeEditorConfig(): void {
  const root = ownRoot();
  const labs = readLabs().filter(({ files }) => files.length > 0);
  const started = labs.filter(({ number }) => existsSync(ownTree(number)));
  linkProduct(join(root, PRODUCT), ownFiles(started));
  const trees = started.map(({ number }) => `./${number}`);
  const config = {
    extends: `${relative(root, ROOT_DIR)}/tsconfig.json`,
    compilerOptions: {
      rootDirs: [...trees, `./${PRODUCT}`],
      preserveSymlinks: true,
      // A skeleton's parameters and imports are for the code that is to be written.
      noUnusedLocals: false,
      noUnusedParameters: false,
    },
    // With the packages' declarations of libraries that have none of their own.
    include: [...trees.map((tree) => `${tree}/**/*.ts`), `./${PRODUCT}/*/*.d.ts`],
    exclude: [],
  };
  writeFileSync(join(root, "tsconfig.json"), `${JSON.stringify(config, undefined, 2)}\n`);
}

function ownFiles(labs: readonly Lab[]): Set<string> {
  const files = labs.flatMap((lab) => {
    return lab.files.filter((file) => existsSync(join(ownTree(lab.number), file)));
  });
  return new Set(files);
}

/** Links the packages of these files, without the files themselves. */
function linkProduct(to: string, own: ReadonlySet<string>): void {
  rmSync(to, { recursive: true, force: true });
  const packages = new Set([...own].map((file) => file.split("/")[0]!));
  for (const folder of packages) linkFolder(to, folder, own);
}

/** A folder with a file of the reader's is a folder with links; any other is one link. */
function linkFolder(to: string, folder: string, own: ReadonlySet<string>): void {
  mkdirSync(join(to, folder), { recursive: true });
  const folders = new Set([...own].flatMap(parentsOf));
  for (const entry of readdirSync(join(ROOT_DIR, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (own.has(path)) continue;
    if (folders.has(path)) linkFolder(to, path, own);
    else symlinkSync(join(ROOT_DIR, path), join(to, path));
  }
}

function parentsOf(path: string): string[] {
  const parent = dirname(path);
  return parent === "." ? [] : [parent, ...parentsOf(parent)];
}
