import { defineConfig } from "vitest/config";
import { GUEST_WAIT_MS } from "./guest-wait.ts";

/**
 * Configuration of the run in a guest, whose root is the bundle's folder (nfs.test.ts): Node loads
 * it itself.
 */
export default defineConfig({
  test: {
    include: ["main.js"],
    exclude: [],
    pool: "forks",
    isolate: false,
    experimental: { viteModuleRunner: false, nodeLoader: false },
    testTimeout: GUEST_WAIT_MS,
    hookTimeout: GUEST_WAIT_MS,
    expect: { poll: { timeout: GUEST_WAIT_MS } },
  },
});
