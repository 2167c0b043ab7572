import { defineConfig } from "vitest/config";
import { resolveOverlaid } from "./own-tree.ts";

const trees = (process.env["R2K_LAB_TREES"] ?? "").split(":").filter(Boolean);

/** The product's contract suites, with a reader's trees over the product. */
export default defineConfig({
  plugins: [
    {
      name: "r2k-lab-trees",
      enforce: "pre",
      resolveId: (source, importer) => resolveOverlaid(source, importer, trees) ?? null,
    },
  ],
  test: {
    include: ["test/contract/**/*.test.ts", "apiserver/{registry,storage}/*.test.ts"],
    pool: "forks",
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
