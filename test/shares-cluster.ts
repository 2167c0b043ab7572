import { readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");

/** Whether a test file's cases run in the cluster that such files share; of its path. */
export function sharesCluster(path: string): boolean {
  if (!path.startsWith("test/e2e/")) return false;
  return readFileSync(join(ROOT, path), "utf8").includes('from "./shared-cluster.ts"');
}
