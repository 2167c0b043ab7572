import type { Plugin } from "esbuild";
import { resolveOverlaid } from "./own-tree.ts";

/** A reader's own parts in place of the reference, as the labs' checks see them. */
export function ownParts(trees: readonly string[]): Plugin {
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
