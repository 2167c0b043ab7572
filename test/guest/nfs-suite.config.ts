import { defineConfig } from "vitest/config";

/** Of the run in a guest, whose root is the bundle's folder (nfs.test.ts): Node loads it itself. */
export default defineConfig({
  test: {
    include: ["main.js"],
    exclude: [],
    pool: "forks",
    isolate: false,
    experimental: { viteModuleRunner: false, nodeLoader: false },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 50_000 } },
  },
});
