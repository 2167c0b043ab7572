import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

/** Patterns of the test files that run, divided by commas; all when a person runs vitest. */
const include = process.env["R2K_TEST_FILES"]?.split(",") ?? ["**/*.test.ts"];

/** Files and folders that cannot run here, divided by commas (test/clock). */
const apart = (process.env["R2K_TEST_EXCLUDE"]?.split(",") ?? []).flatMap((path) =>
  path.endsWith(".ts") ? [path] : [`${path}/**`],
);
const exclude = ["**/node_modules/**", "dist/**", ".peers/**", ".cache/**", ...apart];

/** Folders of few files, which start whole programs or change what belongs to the process. */
const OWN_PROCESS_FOLDERS = /^(test\/(clock|contract|e2e|guest)|labs)\//;

/**
 * Whether a test file gets a process of its own. All others share one for each worker, which loads
 * a module once: 299 unit test files took 250 s of processor time in processes of their own, and
 * 120 s so. A file says that it needs its own with a comment on a line of its own.
 */
function needsOwnProcess(path: string): boolean {
  if (OWN_PROCESS_FOLDERS.test(path)) return true;
  const text = readFileSync(join(import.meta.dirname, path), "utf8");
  return /^\/\/ In a process of its own: /m.test(text);
}

const files = globSync(include, { cwd: import.meta.dirname, exclude });
const own = files.filter(needsOwnProcess);
const shared = files.filter((path) => !own.includes(path));

/** vitest takes an empty list for its own patterns. */
const projects = [
  { name: "shared", isolate: false, include: shared },
  { name: "own", isolate: true, include: own },
].filter((project) => project.include.length > 0);

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 50_000 } },
    projects: projects.map((project) => ({
      extends: true as const,
      test: { ...project, exclude },
    })),
  },
});
