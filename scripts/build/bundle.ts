import { join, relative } from "node:path";
import { readFile } from "node:fs/promises";
import { type Plugin, build } from "esbuild";
import { resolveOverlaid } from "../../cli/labs/own-tree.ts";

/** Packages with native code, or that find files beside themselves: left where npm put them. */
const EXTERNAL = ["koffi", "netlink", "classic-level", "level", "lmdb", "@lydell/node-pty", "pino"];

/** CommonJS packages inside an ES module bundle call `require` for Node's own modules. */
const REQUIRE = [
  'import { createRequire as r2kCreateRequire } from "node:module";',
  "const require = r2kCreateRequire(import.meta.url);",
].join("\n");

export const ROOT = join(import.meta.dirname, "../..");

/**
 * Sources find their threads and data files by `import.meta.dirname`. In a bundle that is rewritten
 * to the source's own folder beneath the product's root, and a thread's `.ts` to its own bundle.
 */
function sourceFolders(outDir: string): Plugin {
  return {
    name: "source-folders",
    setup(builder) {
      builder.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const text = await readFile(path, "utf8");
        if (!text.includes("import.meta")) return { contents: text, loader: "ts" };
        const folder = relative(ROOT, join(path, ".."));
        const contents = text
          .replace(/new URL\("\.\/([\w-]+)\.ts", import\.meta\.url\)/g, (_, name: string) => {
            const target = join(ROOT, outDir, `${folder}/${name}.js`);
            return `new URL(${JSON.stringify(`file://${target}`)})`;
          })
          .replaceAll("import.meta.dirname", JSON.stringify(join(ROOT, folder)))
          .replaceAll("import.meta.url", JSON.stringify(`file://${path}`));
        return { contents, loader: "ts" };
      });
    },
  };
}

/** A reader's own parts in place of the reference, as the labs' checks see them. */
function ownParts(trees: readonly string[]): Plugin {
  return {
    name: "own-parts",
    setup(builder) {
      if (trees.length === 0) return;
      builder.onResolve({ filter: /^(\.|@raft2kube\/)/ }, ({ path, importer }) => {
        const resolved = resolveOverlaid(path, importer, trees);
        return resolved === undefined ? undefined : { path: resolved };
      });
    },
  };
}

export interface BundleOptions {
  /** Relative to the root. */
  readonly outDir: string;
  /** Sources of entry points by the bundle's name of them, relative to the root, without `.ts`. */
  readonly entries: Readonly<Record<string, string>>;
  /** Folders that are laid over the product; see `cli/labs/own-tree.ts`. */
  readonly trees?: readonly string[];
}

/** Bundles entry points with shared chunks, so that a command loads only what it uses. */
export async function bundle(options: BundleOptions): Promise<void> {
  const { outDir, entries } = options;
  await build({
    absWorkingDir: ROOT,
    entryPoints: Object.fromEntries(
      Object.entries(entries).map(([name, source]) => [name, `${source}.ts`]),
    ),
    outdir: outDir,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    external: EXTERNAL,
    logLevel: "error",
    banner: { js: REQUIRE },
    plugins: [ownParts(options.trees ?? []), sourceFolders(outDir)],
  });
}
