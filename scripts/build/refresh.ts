// Bundles the command line and the CNI plugins again when a source is newer than they are, or when
// a reader's own parts were switched on or off. Called before every command.
import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { ownParts } from "../../labs/runner/own-parts.ts";
import { labsInUse, treesInUse } from "../../labs/runner/state.ts";
import { BUNDLED, bundledSources, entryPoints } from "./entries.ts";

const root = join(import.meta.dirname, "../..");
const outDir = ".cache/bundle";
const stamp = join(root, outDir, "built");
/**
 * The script `r2k` reads here what a bundle is made of: folders, or the sources themselves, since a
 * look at all of them takes as long as a short command.
 */
const listOf = (entry: "main" | "container") => join(root, outDir, `${entry}.sources`);

/** How long another command may bundle the sources. */
const OTHERS_TIMEOUT_MS = 600_000;

/** Bundles the sources where they have changed; one process at a time. */
async function refresh(): Promise<void> {
  if (isFresh()) return;
  mkdirSync(join(root, outDir), { recursive: true });
  const { waitForLock } = await import("@raft2kube/linux/file/flock.ts");
  const options = { mode: "exclusive", timeout_ms: OTHERS_TIMEOUT_MS } as const;
  using _lock = await waitForLock(join(root, outDir, "lock"), options);
  const started_s = Date.now() / 1000;
  if (!isFresh()) await rebuild(treesInUse(), started_s);
}

/** How the bundle is made, as the stamp says. */
const howOf = (trees: readonly string[]) => JSON.stringify({ trees, node: process.version });

/**
 * Whether no source is newer than the bundle, and both lists of sources are as they should be; then
 * the stamp is dated by this look.
 */
function isFresh(): boolean {
  const started_s = Date.now() / 1000;
  const trees = treesInUse();
  const newest_ms = Math.max(
    ...bundledSources().map((path) => modified(join(root, path))),
    ...trees.flatMap(treeFiles).map(modified),
    modified(join(root, "package-lock.json")),
  );
  const isSame = modified(stamp) > newest_ms && readFileSync(stamp, "utf8") === howOf(trees);
  const isListed = hasList("main") && hasList("container");
  if (!isSame || isListed !== (trees.length === 0)) return false;
  // A folder may be newer, by a file that is none of the product's.
  utimesSync(stamp, started_s, started_s);
  return true;
}

/**
 * Bundles the sources as they are. The stamp is dated `started_s`, in seconds since 1970, before
 * the first look at them, so that a source that was edited meanwhile is newer.
 */
async function rebuild(trees: readonly string[], started_s: number): Promise<void> {
  const own = labsInUse();
  const parts = own.length > 0 ? `, with your part of lab ${own.join(", ")}` : "";
  process.stderr.write(`r2k: bundling the sources${parts} ...\n`);
  const [{ bundle }, { buildPlugins }, { writePage }] = await Promise.all([
    import("./bundle.ts"),
    import("@raft2kube/cni/build.ts"),
    import("@raft2kube/dashboard/build.ts"),
  ]);
  // V8's cache of the former bundle, whose files have other names.
  rmSync(join(root, ".cache/compile"), { recursive: true, force: true });
  let inputs: string[];
  try {
    [inputs] = await Promise.all([
      bundle({ outDir, entries: { container: "cli/container" }, trees, startsQuickly: true }),
      bundle({ outDir, entries: entryPoints(), trees }),
      buildPlugins(join(root, ".cache/cni"), [ownParts(trees)]),
      writePage(join(root, ".cache/dashboard")),
    ]);
  } catch (thrown) {
    // esbuild has printed the error and its place.
    if (own.length === 0 || !isBuildFailure(thrown)) throw thrown;
    process.stderr.write(
      "r2k: your part cannot be built. Without it: npm run lab use reference all\n",
    );
    process.exit(1);
  }
  list("main", BUNDLED, trees);
  list("container", inputs.filter(isSource), trees);
  place(stamp, howOf(trees), started_s);
}

/** Writes what a bundle is made of, for the script `r2k`; not what has a reader's own trees. */
function list(entry: "main" | "container", paths: readonly string[], trees: readonly string[]) {
  if (trees.length > 0) rmSync(listOf(entry), { force: true });
  else place(listOf(entry), `${[...paths, "package-lock.json"].join(" ")}\n`);
}

/** Whether the list is there to its last word, as the script asks. */
function hasList(entry: "main" | "container"): boolean {
  return (
    existsSync(listOf(entry)) && / package-lock\.json\n$/.test(readFileSync(listOf(entry), "utf8"))
  );
}

/** Writes a file that other processes read at any time: they see all of it, or the former one. */
function place(path: string, text: string, date_s = Date.now() / 1000): void {
  const whole = `${path}.new`;
  writeFileSync(whole, text);
  utimesSync(whole, date_s, date_s);
  renameSync(whole, path);
}

/** Whether a bundle's input is a file of the product: others change with package-lock.json. */
function isSource(input: string): boolean {
  return /\.(ts|yaml)$/.test(input) && !input.startsWith("node_modules/");
}

/** esbuild's error carries the list of what it could not build. */
function isBuildFailure(thrown: unknown): boolean {
  return thrown instanceof Error && "errors" in thrown;
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
