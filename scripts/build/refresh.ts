// Bundles the command line and the CNI plugins anew when a source is newer than they are, or when a
// reader's own parts were switched on or off. Called before every command.
import { globSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { treesInUse } from "../../cli/labs/state.ts";
import { entryPoints, productSources } from "./entries.ts";

const root = join(import.meta.dirname, "../..");
const outDir = ".cache/bundle";
const stamp = join(root, outDir, "built");

async function refresh(): Promise<void> {
  const trees = treesInUse();
  const newest_ms = Math.max(
    ...productSources().map((path) => modified(join(root, path))),
    ...trees.flatMap(treeFiles).map(modified),
    modified(join(root, "package-lock.json")),
  );
  const how = JSON.stringify({ trees, node: process.version });
  if (modified(stamp) > newest_ms && readFileSync(stamp, "utf8") === how) return;
  process.stderr.write("r2k: bundling the sources ...\n");
  const [{ bundle }, { buildPlugins }] = await Promise.all([
    import("./bundle.ts"),
    import("@raft2kube/cni/build.ts"),
  ]);
  await bundle({ outDir, entries: entryPoints(), trees });
  await buildPlugins(join(root, ".cache/cni"));
  mkdirSync(join(root, outDir), { recursive: true });
  writeFileSync(stamp, how);
}

/** A reader's tree: its folders too, for a file that was added or taken away. */
function treeFiles(tree: string): string[] {
  return [tree, ...globSync("**", { cwd: tree }).map((path) => join(tree, path))];
}

function modified(path: string): number {
  try {
    return statSync(path).mtimeMs;
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return 0;
    throw thrown;
  }
}

await refresh();
