import { join } from "node:path";
import { defineConfig } from "vitest/config";

/**
 * The product's contract suites, with a reader's trees over the product. Node loads the modules,
 * and keeps them compiled: vite transforms hundreds of them in each run.
 */
export default defineConfig({
  test: {
    include: ["test/contract/**/*.test.ts", "apiserver/{registry,storage}/*.test.ts"],
    pool: "forks",
    setupFiles: [join(import.meta.dirname, "../../test/keep-compiled.ts")],
    execArgv: ["--import", join(import.meta.dirname, "overlay.ts")],
    experimental: { viteModuleRunner: false, nodeLoader: false },
    testTimeout: 300_000,
    hookTimeout: 600_000,
  },
});
