// Loaded before the checks (`node --import`): resolves imports in the reader's trees first.
import { registerHooks } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { resolveOverlaid } from "./own-tree.ts";

const trees = (process.env["R2K_LAB_TREES"] ?? "").split(":").filter(Boolean);

const used = new Set<string>();

/** The trees of which this process has loaded a file. */
export const usedTrees = (): ReadonlySet<string> => used;

registerHooks({
  resolve(specifier, context, next) {
    const { parentURL } = context;
    const importer = parentURL?.startsWith("file:") ? fileURLToPath(parentURL) : undefined;
    const own = resolveOverlaid(specifier, importer, trees);
    if (own === undefined) return next(specifier, context);
    const tree = trees.find((folder) => own.startsWith(`${folder}/`));
    if (tree !== undefined) used.add(tree);
    return { url: pathToFileURL(own).href, shortCircuit: true };
  },
});
