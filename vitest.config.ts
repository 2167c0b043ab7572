import { defineConfig } from "vitest/config";

/** The folders whose tests run, divided by commas; all of them when a person runs vitest. */
const folders = process.env["R2K_TEST_FOLDERS"]?.split(",") ?? ["."];

export default defineConfig({
  test: {
    include: folders.map((folder) => `${folder}/**/*.test.ts`),
    exclude: ["**/node_modules/**", "dist/**", ".peers/**", ".cache/**"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
