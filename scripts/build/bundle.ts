import { cpSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { yamlDocuments } from "@raft2kube/apimachinery/yaml.ts";
import { build, type Plugin } from "esbuild";
import { ownParts } from "../../labs/runner/own-parts.ts";
import { treesDigest } from "../../labs/runner/own-tree.ts";

/** Packages with native code, or that find files beside themselves: left where npm put them. */
export const EXTERNAL = [
  "koffi",
  "netlink",
  "level",
  "@lydell/node-pty",
  "pino",
  // Development only: the labs' pages need them, and are made from the sources.
  "esbuild",
  "marked",
];

/** CommonJS packages inside an ES module bundle call `require` for Node's own modules. */
const REQUIRE = [
  'import { createRequire as r2kCreateRequire } from "node:module";',
  "const require = r2kCreateRequire(import.meta.url);",
].join("\n");

export const ROOT = join(import.meta.dirname, "../..");

/**
 * Sources find their threads and data files by `import.meta`. In a bundle that becomes the source's
 * own place beneath the product's root, which bootstrap.mjs names in R2K_ROOT; a thread becomes its
 * bundle, and the documents of a YAML file, which is added to `documents`, become their values.
 */
function sourcePlaces(documents: Set<string>): Plugin {
  return {
    name: "source-places",
    setup(builder) {
      builder.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        // A call of the file system that does not wait is a tenth of one that does.
        const text = readFileSync(path, "utf8");
        if (!text.includes("import.meta")) return undefined; // esbuild reads it itself
        const inside = relative(ROOT, path);
        const root = "process.env.R2K_ROOT";
        const contents = (await withDocuments(text, path, documents))
          .replace(/new URL\("\.\/([\w-]+)\.ts", import\.meta\.url\)/g, (_, name: string) => {
            return `new URL("./${dirname(inside)}/${name}.js", import.meta.url)`;
          })
          .replaceAll(
            "import.meta.dirname",
            `(${root} + ${JSON.stringify(`/${dirname(inside)}`)})`,
          );
        return { contents, loader: "ts" };
      });
    },
  };
}

/** The text of a source with its calls of `yamlDocuments` answered. */
async function withDocuments(text: string, path: string, documents: Set<string>): Promise<string> {
  const call = /yamlDocuments\(new URL\("(\.\/[\w-]+\.yaml)", import\.meta\.url\)\)/g;
  const values = new Map<string, string>();
  for (const [, name = ""] of text.matchAll(call)) {
    documents.add(relative(ROOT, join(dirname(path), name)));
    const json = JSON.stringify(await yamlDocuments(new URL(name, pathToFileURL(path))));
    values.set(name, `JSON.parse(${JSON.stringify(json)})`);
  }
  return text.replace(call, (_, name: string) => values.get(name)!);
}

/** Modules of Node that few runs of a command use: 15 ms of a start. */
const LATE = /^node:(dns|https?|zlib)$/;

/**
 * `import ... from "node:http"` makes Node evaluate all exports of the module, and two of these
 * load undici: 40 ms of a start and 3 MiB that are not needed; and a bundle loads at its start all
 * that any of its sources imports. Here such an import reads the module object, when the source
 * that has it is evaluated; those of LATE when an export is used.
 */
function leanImports(filter: RegExp): Plugin {
  const namespace = "lean-imports";
  return {
    name: namespace,
    setup(builder) {
      builder.onResolve({ filter }, ({ path, kind }) =>
        kind === "import-statement" ? { path, namespace, sideEffects: false } : undefined,
      );
      builder.onLoad({ filter: /.*/, namespace }, ({ path }) => {
        const names = Object.keys(process.getBuiltinModule(path)!);
        if (LATE.test(path)) {
          const late = names.map((name) => {
            return `get ${name}() { return process.getBuiltinModule("${path}").${name}; },`;
          });
          return { contents: ["module.exports = {", ...late, "};"].join("\n"), loader: "js" };
        }
        const lines = [
          `const builtin = process.getBuiltinModule("${path}");`,
          "export default builtin;",
          // esbuild leaves out exports that nothing imports, so their getters are not called.
          ...names.map((name) => {
            return `export const ${name} = /* @__PURE__ */ (() => builtin.${name})();`;
          }),
        ];
        return { contents: lines.join("\n"), loader: "js" };
      });
    },
  };
}

/** Where lines break, so that the place in a stack says more than the name of a bundle. */
const LINE_CHARACTERS = 160;

const SHARED = { format: "esm", banner: { js: REQUIRE } } as const;

/** A script whose value is a function, as `cached-code.mjs` calls it. */
const QUICK = {
  format: "cjs",
  banner: { js: "(function(require,r2kUrl,module){" },
  footer: { js: "})" },
  outExtension: { ".js": ".cjs" },
  supported: { "dynamic-import": false },
} as const;

export interface BundleOptions {
  /** Relative to the root. */
  readonly outDir: string;
  /** Sources of entry points by the bundle's name of them, relative to the root, without `.ts`. */
  readonly entries: Readonly<Record<string, string>>;
  /** Packages that stay where npm put them; EXTERNAL by default. */
  readonly external?: readonly string[];
  /** Whether each entry point is one file that shares nothing with the others. */
  readonly isWhole?: boolean;
  /** Whether that file is to start as quickly as it can, from this clone: see `cached-code.mjs`. */
  readonly startsQuickly?: boolean;
  /** Folders that are laid over the product; see `labs/runner/own-tree.ts`. */
  readonly trees?: readonly string[];
}

/**
 * Bundles entry points, by default with shared chunks, so that a command loads only what it uses.
 * A process keeps the text of what it loads, so indentation and comments are left out.
 * Resolves with the sources and YAML files that it is made of, relative to the root.
 */
export async function bundle(options: BundleOptions): Promise<string[]> {
  const { outDir, entries, trees = [], startsQuickly = false } = options;
  const { external = EXTERNAL, isWhole = startsQuickly } = options;
  const documents = new Set<string>();
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: Object.fromEntries(
      Object.entries(entries).map(([name, source]) => [name, `${source}.ts`]),
    ),
    outdir: outDir,
    bundle: true,
    splitting: !isWhole,
    platform: "node",
    target: "node24",
    ...(startsQuickly ? QUICK : SHARED),
    // npm's resolution of koffi takes longer than loading it.
    external: external.filter((name) => !(startsQuickly && name === "koffi")),
    logLevel: "error",
    minifyWhitespace: true,
    lineLimit: LINE_CHARACTERS,
    metafile: true,
    // A tree is named after its lab; see `cli/supervisor/own-parts.ts`.
    define: {
      R2K_OWN_PARTS: JSON.stringify(trees.map((tree) => basename(tree))),
      R2K_OWN_DIGEST: JSON.stringify(treesDigest(trees)),
      ...(startsQuickly && { "import.meta.url": "r2kUrl" }),
    },
    plugins: [
      ownParts(trees),
      sourcePlaces(documents),
      leanImports(startsQuickly ? /^node:/ : /^node:http$/),
    ],
  });
  for (const name of startsQuickly ? Object.keys(entries) : []) {
    cpSync(join(import.meta.dirname, "cached-code.mjs"), join(ROOT, outDir, `${name}.js`));
  }
  return [...Object.keys(metafile.inputs), ...documents];
}
