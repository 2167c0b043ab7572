import { join, relative } from "node:path";
import { readFile } from "node:fs/promises";
import { type Plugin, build } from "esbuild";

/** Packages with native code, or that find files beside themselves: left where npm put them. */
const EXTERNAL = ["koffi", "netlink", "classic-level", "level", "lmdb", "@lydell/node-pty", "pino"];

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
          .replaceAll("import.meta.dirname", JSON.stringify(join(ROOT, folder)));
        return { contents, loader: "ts" };
      });
    },
  };
}

/** Entry points that run as threads of their own: found by how they are started. */
export interface BundleOptions {
  /** Relative to the root. */
  readonly outDir: string;
  /** Sources of entry points by the bundle's name of them, relative to the root, without `.ts`. */
  readonly entries: Readonly<Record<string, string>>;
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
    banner: {
      js: 'import { createRequire as r2kRequire } from "node:module";\nconst require = r2kRequire(import.meta.url);',
    },
    plugins: [sourceFolders(outDir)],
  });
}
