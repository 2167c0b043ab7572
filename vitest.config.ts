import { defineConfig } from "vitest/config";

/** Patterns of the test files that run, divided by commas; all when a person runs vitest. */
const include = process.env["R2K_TEST_FILES"]?.split(",") ?? ["**/*.test.ts"];

/** Files and folders that cannot run here, divided by commas (test/clock). */
const apart = (process.env["R2K_TEST_EXCLUDE"]?.split(",") ?? []).flatMap((path) =>
  path.endsWith(".ts") ? [path] : [`${path}/**`],
);

export default defineConfig({
  test: {
    include,
    exclude: ["**/node_modules/**", "dist/**", ".peers/**", ".cache/**", ...apart],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 50_000 } },
  },
});
