import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/longest-first.ts";
import { sharesCluster } from "./test/shares-cluster.ts";

/** Patterns of the test files that run, divided by commas; all when a person runs vitest. */
const include = process.env["R2K_TEST_FILES"]?.split(",") ?? ["**/*.test.ts"];

/** Files and folders that cannot run here, divided by commas (test/clock). */
const apart = (process.env["R2K_TEST_EXCLUDE"]?.split(",") ?? []).flatMap((path) =>
  path.endsWith(".ts") ? [path] : [`${path}/**`],
);
const exclude = ["**/node_modules/**", "dist/**", ".peers/**", ".cache/**", ...apart];

/**
 * Whether a test file gets a process of its own. All others share one for each worker, which loads
 * a module once: in processes of their own, 299 unit test files spent half of their processor time
 * on starting and loading. A file says that it needs its own in a comment that starts so.
 */
function needsOwnProcess(path: string): boolean {
  const text = readFileSync(join(import.meta.dirname, path), "utf8");
  return /^\/\/ In a process of its own: /m.test(text);
}

/** Node loads TypeScript itself, and keeps the compiled modules for the next process. */
const NODE_LOADS = { viteModuleRunner: false, nodeLoader: false };

const files = globSync(include, { cwd: import.meta.dirname, exclude });
const inCluster = files.filter(sharesCluster);
const own = files.filter((path) => needsOwnProcess(path) && !inCluster.includes(path));
const shared = files.filter((path) => !own.includes(path) && !inCluster.includes(path));

/**
 * Files that share a cluster run after those with their own, so that it does not idle beside them.
 * vitest takes an empty list for its own patterns.
 */
const projects = [
  { name: "shared", isolate: false, include: shared },
  { name: "own", isolate: true, include: own },
  {
    name: "one cluster",
    isolate: false,
    include: inCluster,
    globalSetup: "./test/e2e/shared-host.ts",
  },
].filter((project) => project.include.length > 0);

/** How much of a value a failure's first line shows, which the closing report prints. */
const SHOWN_CHARS = 800;

const settings = {
  setupFiles: ["./test/setup.ts"],
  experimental: NODE_LOADS,
  chaiConfig: { truncateThreshold: SHOWN_CHARS },
  pool: "forks" as const,
  // Of what hangs. Four parts of the suite share two processors: what computes for 15 s alone takes
  // two minutes then.
  testTimeout: 300_000,
  hookTimeout: 600_000,
  expect: { poll: { timeout: 50_000 } },
  exclude,
};

export default defineConfig({
  test: {
    maxWorkers: 2,
    // A cluster may have to be taken down.
    teardownTimeout: 180_000,
    sequence: { sequencer: LongestFirst },
    projects: projects.map((project) => ({ test: { ...settings, ...project } })),
  },
});
