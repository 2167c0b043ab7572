import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readlinkSync, symlinkSync } from "node:fs";
import { join } from "node:path";

/** The release that is being tested. */
export const THIS_RELEASE = join(import.meta.dirname, "../../..");
/** Files and folders that `r2k store` consists of. */
const PARTS = ["package.json", "tsconfig.json", "base", "api", "client", "store", "cli"];
const FORMATS = "store/testdata";
const TREE_BYTES_MAX = 1024 * 1024 * 1024;

function git(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync("git", args, { cwd: THIS_RELEASE, encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

/**
 * The commit that stands for the release before this one: the last whose data directories are of
 * the format before the newest. Undefined where git's history does not reach back to it, as in a
 * shallow clone or an export.
 */
export function previousRelease(): string | undefined {
  const kept = readdirSync(join(THIS_RELEASE, FORMATS));
  const newest = Math.max(...kept.map((name) => Number(name.slice("format-".length))));
  const folder = `${FORMATS}/format-${newest}`;
  const added = git("log", "--diff-filter=A", "--format=%H", "--", folder);
  const first = added?.split("\n").at(-1);
  return first ? git("rev-parse", "--verify", "--quiet", `${first}^`) : undefined;
}

/** Takes the tree of an earlier commit out of git's history, so that it runs; returns its root. */
export function checkOut(commit: string, folder: string): string {
  const root = join(folder, `release-${commit.slice(0, 10)}`);
  mkdirSync(root);
  const options = { cwd: THIS_RELEASE, maxBuffer: TREE_BYTES_MAX };
  const tree = execFileSync("git", ["archive", commit, "--", ...PARTS], options);
  execFileSync("tar", ["-x", "-C", root], { input: tree });
  linkPackages(join(root, "node_modules"));
  return root;
}

/** Packages of others are shared; the workspaces are the tree's own. */
function linkPackages(modules: string): void {
  const ours = join(THIS_RELEASE, "node_modules");
  mkdirSync(join(modules, OWN_SCOPE), { recursive: true });
  for (const name of readdirSync(ours)) {
    if (name !== OWN_SCOPE) symlinkSync(join(ours, name), join(modules, name));
  }
  for (const name of readdirSync(join(ours, OWN_SCOPE))) {
    const link = readlinkSync(join(ours, OWN_SCOPE, name));
    symlinkSync(link, join(modules, OWN_SCOPE, name));
  }
}

const OWN_SCOPE = "@raft2kube";
